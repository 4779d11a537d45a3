"""What callers send: what is read of it, and how what is wrong is named."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from flask import Request
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import EnvironBuilder

from services.api.answers import Refusal
from services.api.bodies import METADATA_LIMIT, CreateSession, UpdateSession, checked, json_object, multipart_file, read


def request(body: bytes) -> Request:
    return Request(EnvironBuilder(method="POST", data=body, content_type="application/json").get_environ())


def refused(body: Any, shape: type[Any] = CreateSession) -> str:
    """The message that this body is refused with."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(Refusal) as refusal:
        read(request(raw), shape)
    assert refusal.value.status == 400
    return refusal.value.message


# -- The body as such -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [b"", b" \r\n", b"{}", b'\xef\xbb\xbf{"keepAlive": null}'])
def test_no_body_is_an_empty_one(body: bytes) -> None:
    """SDKs announce JSON and send nothing: every field has its default."""
    wish = read(request(body), CreateSession)

    assert wish == CreateSession()
    assert (wish.timeout, wish.keep_alive, wish.proxies, wish.user_metadata) == (None, False, False, {})


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"not json",
        b"{'timeout': 60}",
        b'{"timeout": 60,}',
        b'{"timeout": NaN}',
        b'{"timeout": Infinity}',
        b'{"userMetadata": {"a": -Infinity}}',
        b"\xff\xfe\xfd",
        b'{"a": "\xff"}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"unknown": ' + b"[" * 5000 + b"]" * 5000 + b"}",
    ],
)
def test_what_is_no_json_is_refused(body: bytes) -> None:
    """Whatever is wrong with it, in one phrase."""
    assert refused(body) == "body must be valid JSON"


@pytest.mark.parametrize(
    "body",
    [
        rb'{"name": "\ud800"}',
        b'{"name": "\xed\xa0\x80"}',
        rb'{"a": {"\udfff": 1}}',
        '{"a": "\\ud800"}'.encode("utf-16"),
    ],
)
def test_half_a_character_is_refused(body: bytes) -> None:
    """JSON can name it, wherever in the body and in whichever encoding, and no store keeps it."""
    assert refused(body) == "body must be Unicode text"


@pytest.mark.parametrize("body", [[], [{}], "text", 7, None, True])
def test_what_is_no_object_is_refused(body: Any) -> None:
    """JSON, but not a body."""
    assert refused(body) == "body must be object"


@pytest.mark.parametrize("number", [b"1e999", b"-1e999"])
def test_a_number_that_json_can_not_say_again_is_refused(number: bytes) -> None:
    """It would be read as infinity, stored, and break every answer that has it in it."""
    assert refused(b'{"userMetadata": {"a": ' + number + b"}}").startswith("body")


def test_nesting_is_refused_and_breaks_nothing() -> None:
    """Also at the depths near Python's limit that reading still takes and writing does not."""
    for depth in range(850, 1000):
        body = b'{"userMetadata": ' + b'{"a":' * depth + b"1" + b"}" * depth + b"}"

        assert refused(body).startswith("body")


@given(body=st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_no_body_breaks_the_server(body: bytes) -> None:
    """It is an object, or it is refused."""
    try:
        read = json_object(request(body))
    except Refusal as refusal:
        status, read = refusal.status, None
    else:
        status = 200

    assert (status, type(read)) in {(200, dict), (400, type(None))}


# -- Phrases ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"timeout": 59}, "body/timeout must be >= 60"),
        ({"timeout": 21_601}, "body/timeout must be <= 21600"),
        ({"timeout": "60"}, "body/timeout must be integer"),
        ({"timeout": 60.5}, "body/timeout must be integer"),
        ({"timeout": True}, "body/timeout must be integer"),
        ({"timeout": [60]}, "body/timeout must be integer"),
        ({"keepAlive": "true"}, "body/keepAlive must be boolean"),
        ({"keepAlive": 1}, "body/keepAlive must be boolean"),
        ({"projectId": 7}, "body/projectId must be string"),
        ({"extensionId": {}}, "body/extensionId must be string"),
        ({"region": "mars-1"}, "body/region must be equal to one of the allowed values: "
         "'us-west-2', 'us-east-1', 'eu-central-1' or 'ap-southeast-1'"),
        ({"region": 7}, "body/region must be equal to one of the allowed values: "
         "'us-west-2', 'us-east-1', 'eu-central-1' or 'ap-southeast-1'"),
        ({"userMetadata": []}, "body/userMetadata must be object"),
        ({"userMetadata": "text"}, "body/userMetadata must be object"),
        ({"userMetadata": {"a": "x" * 600}}, "body/userMetadata must be at most 512 characters of JSON"),
        ({"browserSettings": []}, "body/browserSettings must be object"),
        ({"browserSettings": "stealth"}, "body/browserSettings must be object"),
        ({"browserSettings": {"viewport": 7}}, "body/browserSettings/viewport must be object"),
        ({"browserSettings": {"viewport": {"width": "wide"}}}, "body/browserSettings/viewport/width must be integer"),
        ({"browserSettings": {"viewport": {"width": -1}}}, "body/browserSettings/viewport/width must be >= 0"),
        ({"browserSettings": {"viewport": {"height": 7681}}}, "body/browserSettings/viewport/height must be <= 7680"),
        ({"browserSettings": {"context": {}}}, "body/browserSettings/context must have required property 'id'"),
        ({"browserSettings": {"context": {"id": 7}}}, "body/browserSettings/context/id must be string"),
        ({"browserSettings": {"context": {"id": "c", "persist": 1}}},
         "body/browserSettings/context/persist must be boolean"),
        ({"browserSettings": {"extensionId": 7}}, "body/browserSettings/extensionId must be string"),
        ({"browserSettings": {"allowedDomains": "a.example"}}, "body/browserSettings/allowedDomains must be array"),
        ({"browserSettings": {"allowedDomains": [7]}}, "body/browserSettings/allowedDomains/0 must be string"),
        ({"browserSettings": {"blockAds": "no"}}, "body/browserSettings/blockAds must be boolean"),
        ({"browserSettings": {"solveCaptchas": 0}}, "body/browserSettings/solveCaptchas must be boolean"),
        ({"browserSettings": {"recordSession": 0}}, "body/browserSettings/recordSession must be boolean"),
        ({"browserSettings": {"logSession": 0}}, "body/browserSettings/logSession must be boolean"),
        ({"browserSettings": {"advancedStealth": 0}}, "body/browserSettings/advancedStealth must be boolean"),
        ({"browserSettings": {"verified": 0}}, "body/browserSettings/verified must be boolean"),
        ({"browserSettings": {"ignoreCertificateErrors": 0}},
         "body/browserSettings/ignoreCertificateErrors must be boolean"),
        ({"browserSettings": {"os": "beos"}}, "body/browserSettings/os must be equal to one of the allowed values: "
         "'windows', 'mac', 'linux', 'mobile' or 'tablet'"),
        ({"proxies": "yes"}, "body/proxies must be boolean"),
        ({"proxySettings": True}, "body/proxySettings must be object"),
        ({"proxySettings": {"caCertificates": "x"}}, "body/proxySettings/caCertificates must be array"),
        ({"proxySettings": {"caCertificates": [None]}}, "body/proxySettings/caCertificates/0 must be string"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_as_users_know_it(body: dict[str, Any], message: str) -> None:
    """The field by its path, and the phrase of the original, which people search for."""
    assert refused(body) == message


def test_a_wrong_entry_of_a_list_of_proxies_is_named() -> None:
    """The branch of a union is no step of the path."""
    message = refused({"proxies": [{"type": "none"}, 7]})

    assert message.startswith("body/proxies")
    assert "[" not in message


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "body must have required property 'status'"),
        ({"status": None}, "body must have required property 'status'"),
        ({"status": "RUNNING"}, "body/status must be equal to one of the allowed values: 'REQUEST_RELEASE'"),
        ({"status": "REQUEST_RELEASE", "projectId": 7}, "body/projectId must be string"),
    ],
)
def test_an_update_is_a_release_or_nothing(body: dict[str, Any], message: str) -> None:
    """There is one status that a caller may ask for."""
    assert refused(body, UpdateSession) == message


def test_a_refusal_does_not_repeat_what_was_sent() -> None:
    """Bodies hold passwords of proxies, and messages end up in logs."""
    body = {"proxies": [{"type": "external", "password": "hunter2"}], "timeout": "hunter2", "projectId": ["hunter2"]}

    assert "hunter2" not in refused(body)


# -- What is read -----------------------------------------------------------------------------------------------------


def test_everything_that_a_client_may_send_is_read() -> None:
    """By its own name, as it is documented."""
    wish = checked(
        {
            "projectId": "project-1",
            "extensionId": "extension-1",
            "timeout": 60,
            "keepAlive": True,
            "proxies": [{"type": "browserbase", "geolocation": {"country": "se"}}],
            "proxySettings": {"caCertificates": ["a", "b"]},
            "region": "eu-central-1",
            "userMetadata": {"nested": {"a": ["list", 1, None]}},
            "browserSettings": {
                "context": {"id": "context-1", "persist": True},
                "extensionId": "extension-2",
                "viewport": {"width": 0, "height": 7680},
                "allowedDomains": ["example.com"],
                "ignoreCertificateErrors": True,
                "os": "windows",
            },
        },
        CreateSession,
    )

    settings = wish.browser_settings
    assert (wish.project_id, wish.extension_id, wish.timeout, wish.keep_alive) == ("project-1", "extension-1", 60, True)
    assert wish.proxies == [{"type": "browserbase", "geolocation": {"country": "se"}}]
    assert wish.proxy_settings is not None
    assert wish.proxy_settings.ca_certificates == ["a", "b"]
    assert (wish.region, wish.user_metadata) == ("eu-central-1", {"nested": {"a": ["list", 1, None]}})
    assert settings.context is not None
    assert (settings.context.id, settings.context.persist) == ("context-1", True)
    assert settings.viewport is not None
    assert (settings.viewport.width, settings.viewport.height) == (0, 7680)
    assert (settings.extension_id, settings.allowed_domains) == ("extension-2", ["example.com"])
    assert (settings.ignore_certificate_errors, settings.os) == (True, "windows")


@pytest.mark.parametrize(
    "unknown",
    [
        {"fingerprint": {"browsers": ["chrome"]}},
        {"browserSettings": {"fingerprint": {"screen": {"maxWidth": 1}}, "size": "small", "extensions": ["x"]}},
        {"browserSettings": {"viewport": {"width": 10, "deviceScaleFactor": 2}}},
        {"keep_alive": "not its name on the wire"},
    ],
)
def test_unknown_fields_are_ignored(unknown: dict[str, Any]) -> None:
    """Older clients, and newer ones, send what we do not know."""
    wish = checked(unknown, CreateSession)

    assert wish.keep_alive is False


@pytest.mark.parametrize(
    "body",
    [
        {"timeout": None, "keepAlive": None, "proxies": None, "region": None, "userMetadata": None},
        {"browserSettings": None, "proxySettings": None, "projectId": None},
        {"browserSettings": {"viewport": None, "context": None, "extensionId": None, "os": None}},
        {"browserSettings": {"viewport": {"width": None, "height": None}}},
        {"browserSettings": {"blockAds": None, "solveCaptchas": None, "verified": None}},
        {"browserSettings": {"allowedDomains": None, "ignoreCertificateErrors": None}},
        {"proxySettings": {"caCertificates": None}},
    ],
)
def test_a_null_is_a_field_that_is_not_there(body: dict[str, Any]) -> None:
    """Clients in languages with a null send one for what nobody set, at any depth."""
    wish = checked(body, CreateSession)

    assert (wish.timeout, wish.keep_alive, wish.proxies, wish.region) == (None, False, False, None)
    assert (wish.browser_settings.block_ads, wish.browser_settings.allowed_domains) == (False, [])


# -- Metadata ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("character", ["x", "ä", "語", "🙂"])
def test_metadata_is_measured_in_characters(character: str) -> None:
    """Of JSON without spaces, as JSON.stringify writes it: 512 pass, 513 do not."""
    overhead = len('{"a":""}')
    fits = {"a": character * (METADATA_LIMIT - overhead)}

    assert checked({"userMetadata": fits}, CreateSession).user_metadata == fits
    assert "512 characters" in refused({"userMetadata": {"a": fits["a"] + character}})


def test_a_megabyte_of_metadata_is_refused_quickly() -> None:
    """And its text does not come back in the message."""
    began = time.perf_counter()

    message = refused({"userMetadata": {"a": "x" * 1_000_000}})

    assert message == "body/userMetadata must be at most 512 characters of JSON"
    assert time.perf_counter() - began < 1


# -- Forms ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        (rb"menu.txt", "menu.txt"),
        (rb"C:\fakepath\menu.txt", r"C:\fakepath\menu.txt"),
        (rb"a\\b.txt", r"a\b.txt"),
        (rb"a\"b.txt", 'a"b.txt'),
        (rb"a%22b\c.txt", r'a"b\c.txt'),
        ("caf\u00e9\\men\u00fc.txt".encode(), "caf\u00e9\\men\u00fc.txt"),
        (b"", None),
    ],
)
def test_a_name_is_what_was_sent(sent: bytes, name: str | None) -> None:
    """Old clients send a path, whose backslashes are no escapes; of escapes there are two."""
    head = b'--b\r\ncontent-disposition: form-data; name="file"; filename="' + sent + b'"\r\n\r\n'
    form = head + b"1\r\n--b--\r\n"
    environ = EnvironBuilder(method="POST", data=form, content_type="multipart/form-data; boundary=b").get_environ()

    if name is None:
        with pytest.raises(Refusal, match=r"with a filename|have a filename"):
            multipart_file(Request(environ), limit=10)
    else:
        assert multipart_file(Request(environ), limit=10).name == name
