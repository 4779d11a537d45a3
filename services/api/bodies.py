"""What callers send, checked. Unknown fields are ignored, because older clients send them; wrong ones are named.

Messages are phrased as the original's (Fastify and Ajv), which users find in forums: `body/timeout must be <= 21600`.
"""

from __future__ import annotations

import json
import os
import re
import unicodedata
from dataclasses import dataclass
from typing import IO, Annotated, Any, Final, Literal, TypeVar

from flask import Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import RequestEntityTooLarge

from services.api.answers import Refusal
from wallcrawler.settings import Region

#: Characters of userMetadata as JSON.
METADATA_LIMIT: Final = 512

#: Pixels of a page's side; more is more memory than a session has.
VIEWPORT_LIMIT: Final = 7680


class _Body(BaseModel):
    model_config = ConfigDict(strict=True, extra="ignore", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, given: Any) -> Any:
        """Clients in languages with a null send one for what nobody set."""
        return {name: value for name, value in given.items() if value is not None} if isinstance(given, dict) else given


class Viewport(_Body):
    width: Annotated[int, Field(ge=0, le=VIEWPORT_LIMIT)] | None = None
    height: Annotated[int, Field(ge=0, le=VIEWPORT_LIMIT)] | None = None


class ContextChoice(_Body):
    id: str
    persist: bool = False


class BrowserSettings(_Body):
    """What this service reads of browserSettings; the whole of it is stored as it came."""

    viewport: Viewport | None = None
    context: ContextChoice | None = None
    extension_id: Annotated[str | None, Field(alias="extensionId")] = None
    allowed_domains: Annotated[list[str], Field(alias="allowedDomains")] = []
    ignore_certificate_errors: Annotated[bool, Field(alias="ignoreCertificateErrors")] = False
    block_ads: Annotated[bool, Field(alias="blockAds")] = False
    solve_captchas: Annotated[bool, Field(alias="solveCaptchas")] = False
    record_session: Annotated[bool, Field(alias="recordSession")] = False
    log_session: Annotated[bool, Field(alias="logSession")] = True
    advanced_stealth: Annotated[bool, Field(alias="advancedStealth")] = False
    verified: bool = False
    os: Literal["windows", "mac", "linux", "mobile", "tablet"] | None = None
    captcha_image_selector: Annotated[str | None, Field(alias="captchaImageSelector")] = None
    captcha_input_selector: Annotated[str | None, Field(alias="captchaInputSelector")] = None
    fingerprint: Any = None


class ProxySettings(_Body):
    ca_certificates: Annotated[list[str], Field(alias="caCertificates")] = []


class EgressRules(_Body):
    """What a session may connect to; this is ours, and no field of the original's."""

    allow: list[str] = []
    deny: list[str] = []
    allow_private: Annotated[bool | None, Field(alias="allowPrivate")] = None


class CreateSession(_Body):
    """POST /v1/sessions."""

    project_id: Annotated[str | None, Field(alias="projectId")] = None
    extension_id: Annotated[str | None, Field(alias="extensionId")] = None
    timeout: Annotated[int, Field(ge=60, le=21_600)] | None = None
    keep_alive: Annotated[bool, Field(alias="keepAlive")] = False
    proxies: bool | list[dict[str, Any]] = False
    egress: EgressRules | None = None
    proxy_settings: Annotated[ProxySettings | None, Field(alias="proxySettings")] = None
    region: Region | None = None
    user_metadata: Annotated[dict[str, Any], Field(alias="userMetadata")] = {}
    browser_settings: Annotated[BrowserSettings, Field(alias="browserSettings")] = BrowserSettings()

    @field_validator("user_metadata")
    @classmethod
    def _short(cls, metadata: dict[str, Any]) -> dict[str, Any]:
        try:
            text = json.dumps(metadata, separators=(",", ":"), ensure_ascii=False)
            text.encode()
        except RecursionError:
            text = " " * (METADATA_LIMIT + 1)
        except UnicodeEncodeError:
            raise ValueError("must be Unicode text") from None
        if len(text) > METADATA_LIMIT:
            raise ValueError(f"must be at most {METADATA_LIMIT} characters of JSON")
        return metadata


class Fetch(_Body):
    """POST /v1/fetch."""

    url: Annotated[str, Field(json_schema_extra={"format": "uri"})]
    allow_redirects: Annotated[bool, Field(alias="allowRedirects")] = False
    allow_insecure_ssl: Annotated[bool, Field(alias="allowInsecureSsl")] = False
    proxies: bool = False
    format: Literal["raw", "json", "markdown"] = "raw"
    shape: Annotated[dict[str, Any] | None, Field(alias="schema")] = None
    context_id: Annotated[str | None, Field(alias="contextId")] = None


class StartSession(_Body):
    """POST /v1/sessions/start: what is read of it; the rest is of models and prompts."""

    params: Annotated[CreateSession, Field(alias="browserbaseSessionCreateParams")] = CreateSession()
    session_id: Annotated[str | None, Field(alias="browserbaseSessionID")] = None


class UpdateSession(_Body):
    """POST /v1/sessions/{id}."""

    status: Literal["REQUEST_RELEASE"]
    project_id: Annotated[str | None, Field(alias="projectId")] = None


#: Characters of a context's name.
NAME_LIMIT: Final = 128


class CreateContext(_Body):
    """POST /v1/contexts."""

    project_id: Annotated[str | None, Field(alias="projectId")] = None
    name: str | None = None

    @field_validator("name")
    @classmethod
    def _trimmed(cls, name: str | None) -> str | None:
        name = None if name is None else name.strip()
        if name == "":
            raise ValueError("must NOT have fewer than 1 characters")
        if name is not None and len(name) > NAME_LIMIT:
            raise ValueError(f"must NOT have more than {NAME_LIMIT} characters")
        if name is not None and any(unicodedata.category(letter) == "Cc" for letter in name):
            raise ValueError("must NOT have control characters")
        return name


class RollBack(_Body):
    """POST /v1/contexts/{id}/rollback."""

    #: Not beyond what every store can look for.
    version: Annotated[int, Field(ge=1, le=2**53 - 1)]


class CommitVersion(_Body):
    """POST /guest/v1/sessions/{id}/context/versions/{version}."""

    size: Annotated[int, Field(ge=0)]
    sha256: str
    based_on: Annotated[int | None, Field(alias="basedOn", ge=1)] = None


@dataclass(frozen=True, slots=True)
class File:
    """A file of a multipart form. It is gone with its request. `name` is what the client says, and may be anything."""

    name: str
    body: IO[bytes]
    #: Bytes.
    size: int


def multipart_file(request: Request, *, limit: int) -> File:
    """The one file of the form, in its field `file`. Raises Refusal: 400 that names what is wrong, 413 for a file of
    more than `limit` bytes."""
    if request.mimetype != "multipart/form-data":
        raise Refusal(400, "body must be multipart/form-data, with a file in the field 'file'")
    try:
        found, texts = request.files.getlist("file"), request.form
    except RequestEntityTooLarge:
        if (request.content_length or 0) > (request.max_content_length or limit):
            raise
        raise Refusal(413, "body must have at most 1000 fields, and 500000 bytes beside its file") from None
    if not found:
        needs = "body/file must be a file, with a filename" if "file" in texts else _NO_FILE
        raise Refusal(400, needs)
    if len(found) > 1:
        raise Refusal(400, "body/file must be one file")
    name, body = _sent_name(found[0]), found[0].stream
    if not name:
        raise Refusal(400, "body/file must have a filename")
    size = body.seek(0, os.SEEK_END)
    body.seek(0)
    if size > limit:
        raise Refusal(413, f"body/file must be at most {limit} bytes")
    return File(name, body, size)


#: A file's name, as it stands between quotes.
_NAME: Final = re.compile(r';\s*filename="((?:[^"\\]|\\.)*)"', re.IGNORECASE)


def _sent_name(file: FileStorage) -> str | None:
    """The name that was sent. Browsers send a backslash as it is, and werkzeug takes every one for an escape."""
    found = _NAME.search(file.headers.get("Content-Disposition", ""))
    if found is None or "\\" not in found[1]:
        return file.filename
    return re.sub(r'\\(["\\])', r"\1", found[1]).replace("%22", '"')


_NO_FILE: Final = "body must have required property 'file'"

_AnyBody = TypeVar("_AnyBody", bound=_Body)


def read(request: Request, shape: type[_AnyBody]) -> _AnyBody:
    """The request's body in this shape; no body is an empty object. Raises Refusal 400 that names the field."""
    return checked(json_object(request), shape)


def json_object(request: Request) -> dict[str, Any]:
    """The body as an object. SDKs send `Content-Type: application/json` with nothing behind it: that is {}."""
    raw = request.get_data()
    if not raw.strip():
        return {}
    try:
        body = json.loads(raw, parse_constant=_no_constant, parse_float=_storable_float, parse_int=_storable_int)
        # JSON can name half of a character, which no store keeps.
        json.dumps(body, ensure_ascii=False).encode()
    except _NumberOutOfRange:
        raise Refusal(400, "body must hold no number of over 38 digits, or beyond 1e-130 and 1e126") from None
    except UnicodeEncodeError:
        raise Refusal(400, "body must be Unicode text") from None
    except (ValueError, RecursionError):
        raise Refusal(400, "body must be valid JSON") from None
    if not isinstance(body, dict):
        raise Refusal(400, "body must be object")
    return body


class _NumberOutOfRange(ValueError):
    """No store keeps it as it is; DynamoDB's limits are the narrowest."""


def _storable_float(text: str) -> float:
    number = float(text)
    if number and not 1e-130 <= abs(number) < 1e126:
        raise _NumberOutOfRange
    return number


def _storable_int(text: str) -> int:
    if len(text.lstrip("-")) > 38:
        raise _NumberOutOfRange
    return int(text)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def checked(body: dict[str, Any], shape: type[_AnyBody]) -> _AnyBody:
    """Raises Refusal 400 that names the first wrong field. A null stands for a field that is not there."""
    try:
        return shape.model_validate(body)
    except ValidationError as wrong:
        problem = wrong.errors(include_url=False, include_input=False)[0]
        raise Refusal(400, _phrase(problem)) from None


def _phrase(problem: Any) -> str:
    """`body/browserSettings/viewport/width must be integer`."""
    kind, context = problem["type"], problem.get("ctx", {})
    # Branches of a union are steps of pydantic's path and not of the body's.
    path = [str(step) for step in problem["loc"] if not (isinstance(step, str) and ("[" in step or step == "bool"))]
    if kind == "missing":
        return f"{'/'.join(['body', *path[:-1]])} must have required property '{path[-1]}'"
    where = "/".join(["body", *path])
    phrases = {
        "less_than_equal": f"must be <= {context.get('le')}",
        "greater_than_equal": f"must be >= {context.get('ge')}",
        "int_type": "must be integer",
        "bool_type": "must be boolean",
        "string_type": "must be string",
        "list_type": "must be array",
        "dict_type": "must be object",
        "model_type": "must be object",
        "literal_error": f"must be equal to one of the allowed values: {context.get('expected')}",
        "value_error": str(context.get("error")),
    }
    return f"{where} {phrases.get(kind, problem['msg'])}"
