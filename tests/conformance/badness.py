"""Bad input for every endpoint that takes some: what is sent, the status that it gets, and what the message names.

In paths and bodies, `{running}`, `{ended}` and `{foreign}` are ids of sessions, and `{context}`, `{extension}` and
`{certificate}` of things of another project; `{unknown}` is nobody's.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any

from tests.authority import issue
from tests.zips import extension, zipped

#: What no route takes as JSON.
NO_JSON = ("{", "nonsense", '"text"', "[]", "7", "\xff", '{"a": NaN}', "[" * 20_000)


@dataclass(frozen=True, slots=True)
class Bad:
    """One request, and its answer."""

    method: str
    path: str
    status: int
    names: str
    json: Any = None
    content: bytes | None = None
    file: tuple[str, bytes] | None = None
    #: The form's field, where there is a file.
    form_field: str = "file"
    headers: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.status} {self.names}"[:90].replace("\n", " ")


def create(names: str, body: Any, status: int = 400) -> Bad:
    return Bad("POST", "/v1/sessions", status, names, json=body)


def settings(names: str, status: int = 400, **browser_settings: Any) -> Bad:
    return create(f"body/browserSettings/{names}", {"browserSettings": browser_settings}, status)


def bomb() -> bytes:
    """An archive of a few kilobytes that becomes 64 MB."""
    return zipped(
        {"manifest.json": json.dumps({"manifest_version": 3, "name": "x", "version": "1"}), "b": b"\0" * (64 << 20)}
    )


def traversing(name: str) -> bytes:
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("manifest.json", json.dumps({"manifest_version": 3, "name": "x", "version": "1"}))
        archive.writestr(name, "out")
    return packed.getvalue()


def linking() -> bytes:
    """An archive with a symbolic link in it."""
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    return packed.getvalue()


MANY = {f"key{number}": number for number in range(10_000)}


def creates() -> Iterator[Bad]:
    """POST /v1/sessions."""
    yield from (create("body", body) for body in ([], "text", 7, True))
    yield create("body/timeout must be >= 60", {"timeout": 59})
    yield create("body/timeout must be <= 21600", {"timeout": 21_601})
    yield from (create("body/timeout must be integer", {"timeout": value}) for value in ("300", 60.5, True, [], {}))
    yield from (create("body/keepAlive must be boolean", {"keepAlive": value}) for value in ("true", 1, []))
    yield create("body/projectId must be string", {"projectId": 7})
    yield create("body/projectId", {"projectId": "another"}, 403)
    yield create("body/region", {"region": "moon-1"})
    yield create("body/userMetadata must be object", {"userMetadata": ["a"]})
    yield create("body/userMetadata must be at most 512", {"userMetadata": MANY})
    yield create("body/userMetadata must be at most 512", {"userMetadata": {"a": "x" * 513}})
    yield create("body/browserSettings must be object", {"browserSettings": []})
    yield settings("viewport/width must be integer", viewport={"width": "1"})
    yield settings("viewport/height must be >= 0", viewport={"height": -1})
    yield settings("viewport/width must be <= 7680", viewport={"width": 10**6})
    yield settings("context must be object", context="id")
    yield settings("context must have required property 'id'", context={})
    for context in ("{unknown}", "{context}"):
        yield settings(f"context/id: there is no context {context}", 404, context={"id": context})
    yield settings("extensionId", extensionId="{extension}")
    yield settings("extensionId must be string", extensionId=7)
    yield settings("allowedDomains must be array", allowedDomains="example.com")
    yield settings("allowedDomains/0", allowedDomains=[7])
    for url in ("http://example.com/path", "example.com:443", "example.com/"):
        yield settings("allowedDomains/0 is not valid: it is no host", allowedDomains=[url])
    for url in ("http://example.com", "https://example.com:443/"):
        yield create(f"body/egress/deny/0 is not valid: {url!r} is a URL", {"egress": {"deny": [url]}})
    yield settings("blockAds must be boolean", blockAds="yes")
    yield settings("os", os="beos")
    yield create("body/extensionId", {"extensionId": "{unknown}"})
    yield create("body/extensionId", {"extensionId": "../../etc"})
    yield create("body/proxies", {"proxies": "all"})
    yield create("body/proxies/0/type", {"proxies": [{"type": "magic"}]})
    yield create("body/proxies/0", {"proxies": [{"type": "external"}]})
    yield create("body/proxies/0/server", {"proxies": [{"type": "external", "server": "ftp://x"}]})
    yield create("body/proxySettings/caCertificates", {"proxySettings": {"caCertificates": "id"}})
    yield create("body/proxySettings/caCertificates/0", {"proxySettings": {"caCertificates": ["{certificate}"]}})
    yield create("body must hold no number", {"userMetadata": {"a": 10**40}})


def sessions() -> Iterator[Bad]:
    """What is asked of a session."""
    for method, rest in [("GET", ""), ("GET", "/debug"), ("GET", "/events"), ("GET", "/logs"), ("GET", "/downloads")]:
        for whose in ("{unknown}", "{foreign}", "..%2f..%2fetc%2fpasswd"):
            yield Bad(method, f"/v1/sessions/{whose}{rest}", 404, "")
    release = {"status": "REQUEST_RELEASE"}
    yield Bad("POST", "/v1/sessions/{foreign}", 404, "{foreign}", json=release)
    yield Bad("POST", "/v1/sessions/{running}", 400, "body must have required property 'status'", json={})
    yield Bad("POST", "/v1/sessions/{running}", 400, "body/status", json={"status": "RUNNING"})
    yield Bad("POST", "/v1/sessions/{running}", 403, "body/projectId", json={**release, "projectId": "another"})
    yield Bad("GET", "/v1/sessions?status=DONE", 400, "querystring/status")
    yield Bad("GET", "/v1/sessions?q=stagehand:true", 400, "querystring/q")
    yield Bad("GET", "/v1/sessions?limit=0", 400, "querystring/limit")
    yield Bad("GET", "/v1/sessions?cursor=nonsense", 400, "querystring/cursor")
    for seconds in ("0", "21601", "x", "-1", "1.5", "9" * 400):
        yield Bad("GET", f"/v1/sessions/{{running}}/debug?expiresIn={seconds}", 400, "querystring/expiresIn")
    yield Bad("GET", "/v1/sessions/{ended}/debug", 410, "released")
    yield Bad("GET", "/v1/sessions/{ended}/replays/abcd", 400, "pageId")
    yield Bad("GET", "/v1/sessions/{ended}/replays/1", 404, "replay")
    yield Bad("GET", "/v1/sessions/{ended}/recording/downloads", 422, "not recorded")


def files() -> Iterator[Bad]:
    """Uploads and downloads."""
    uploads = "/v1/sessions/{running}/uploads"
    yield Bad("POST", uploads, 400, "multipart/form-data", json={"file": "x"})
    yield Bad("POST", uploads, 400, "file", file=("a.txt", b"x"), form_field="files")
    yield Bad("POST", uploads, 400, "'file'", content=b"x", headers={"content-type": "multipart/form-data"})
    yield Bad("POST", "/v1/sessions/{ended}/uploads", 410, "released", file=("a.txt", b"x"))
    yield Bad("POST", "/v1/sessions/{foreign}/uploads", 404, "{foreign}", file=("a.txt", b"x"))
    yield Bad("GET", "/v1/downloads", 400, "querystring must have required property 'sessionId'")
    yield Bad("GET", "/v1/downloads?sessionId={foreign}", 404, "{foreign}")
    for query in ("limit=0", "limit=101", "offset=-1", "minSize=x", "createdAfter=yesterday", f"filename={'x' * 256}"):
        name = query.partition("=")[0]
        yield Bad("GET", f"/v1/downloads?sessionId={{ended}}&{query}", 400, f"querystring/{name}")
    for id in ("nobodys", "{foreign}.1", "..", "%00"):
        yield Bad("GET", f"/v1/downloads/{id}", 404, "")
        yield Bad("DELETE", f"/v1/downloads/{id}", 404, "")


def extensions() -> Iterator[Bad]:
    """POST /v1/extensions, and what is there by an id."""
    yield Bad("POST", "/v1/extensions", 400, "multipart/form-data", json={})
    for name, body, names in [
        ("x.zip", b"", "must be a zip archive"),
        ("x.zip", b"Example data", "must be a zip archive"),
        ("x.crx", b"Cr24" + extension(), "must be a zip archive"),
        ("x.zip", extension()[:-40], "must be a whole zip archive"),
        ("x.zip", bomb(), "times as large"),
        ("x.zip", traversing("../out"), "relative paths alone"),
        ("x.zip", traversing("/etc/cron.d/x"), "relative paths alone"),
        ("x.zip", traversing("a\\..\\b"), "relative paths alone"),
        ("x.zip", linking(), "a link or a device"),
        ("x.zip", zipped({"a.js": ""}), "manifest.json"),
        ("x.zip", zipped({"deeper/manifest.json": "{}"}), "manifest.json"),
        ("x.zip", zipped({"manifest.json": "no json"}), "manifest.json"),
        ("x.zip", zipped({"manifest.json": "[]"}), "manifest.json"),
        ("x.zip", extension(name=7), "name is a text"),
        ("x.zip", extension(manifest_version=1), "manifest_version"),
    ]:
        yield Bad("POST", "/v1/extensions", 400, names, file=(name, body))
    yield from _by_id("/v1/extensions", "{extension}")


def certificates() -> Iterator[Bad]:
    """POST /v1/certificates, and what is there by an id."""
    yield Bad("POST", "/v1/certificates", 400, "multipart/form-data", json={})
    for body, names in [
        (b"", "X.509"),
        (b"no certificate", "X.509"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "X.509"),
        (issue("a").pem + issue("a").key_bytes(), "private key"),
    ]:
        yield Bad("POST", "/v1/certificates", 400, names, file=("ca.pem", body))
    yield from _by_id("/v1/certificates", "{certificate}")


def contexts() -> Iterator[Bad]:
    """POST /v1/contexts, and what is there by an id."""
    yield Bad("POST", "/v1/contexts", 403, "body/projectId", json={"projectId": "another"})
    yield Bad("POST", "/v1/contexts", 400, "body/name must be string", json={"name": 7})
    yield Bad("POST", "/v1/contexts", 400, "body/name", json={"name": "   "})
    yield Bad("POST", "/v1/contexts", 400, "body/name", json={"name": "x" * 129})
    yield Bad("POST", "/v1/contexts", 400, "body/name must NOT have control characters", json={"name": "a\x1b[2Jb"})
    yield from _by_id("/v1/contexts", "{context}")
    yield Bad("PUT", "/v1/contexts/{context}", 404, "")


def fetches() -> Iterator[Bad]:
    """POST /v1/fetch."""
    for url, status in [
        (7, 400),
        ("", 400),
        ("nonsense", 400),
        ("ftp://example.com", 400),
        ("file:///etc/passwd", 400),
    ]:
        yield Bad("POST", "/v1/fetch", status, "url", json={"url": url})
    yield Bad("POST", "/v1/fetch", 400, "body must have required property 'url'", json={})
    yield Bad("POST", "/v1/fetch", 400, "body/format", json={"url": "http://x.example", "format": "pdf"})
    yield Bad("POST", "/v1/fetch", 403, "169.254.169.254", json={"url": "http://169.254.169.254/latest/meta-data/"})


def _by_id(path: str, foreign: str) -> Iterator[Bad]:
    for whose in ("{unknown}", foreign, "..%2f..%2fetc%2fpasswd", "%00"):
        yield Bad("GET", f"{path}/{whose}", 404, "")
        yield Bad("DELETE", f"{path}/{whose}", 404, "")


def everywhere() -> Iterator[Bad]:
    """What is wrong on any route that takes JSON."""
    for path in ("/v1/sessions", "/v1/sessions/{running}", "/v1/contexts", "/v1/fetch"):
        for text in NO_JSON:
            yield Bad("POST", path, 400, "body must", content=text.encode("latin-1"))
        yield Bad("POST", path, 413, "body must be at most", content=b'{"a": "' + b"x" * (3 << 20) + b'"}')
    for method, path in [("PATCH", "/v1/sessions"), ("DELETE", "/v1/sessions/{running}"), ("PUT", "/v1/extensions")]:
        yield Bad(method, path, 405, "")
    yield Bad("POST", "/_stainless_unknown_path", 404, "/_stainless_unknown_path")


ALL = [
    *creates(),
    *sessions(),
    *files(),
    *extensions(),
    *certificates(),
    *contexts(),
    *fetches(),
    *everywhere(),
]
