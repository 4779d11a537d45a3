"""What the API answers with, as schemas. The bodies themselves are made beside their routes.

Closed: a field that is answered and not named here fails the tests that hold answers against the document.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from wallcrawler.settings import Region


class Shape(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Error(Shape):
    """Every error."""

    statusCode: int
    error: Annotated[str, Field(description="The status's phrase.")]
    message: Annotated[str, Field(description="What was wrong, and what to do.")]


class FetchError(Error):
    """An error of a fetch. Whoever was not let in got no id."""

    id: str | None = None


class StagehandError(Shape):
    """An error in the shape that Stagehand reads."""

    success: Literal[False]
    message: str


class Session(Shape):
    """A session. Its URLs and key are there while clients may connect."""

    id: str
    createdAt: datetime
    updatedAt: datetime
    startedAt: datetime
    expiresAt: datetime
    endedAt: datetime | None = None
    endedReason: Annotated[str | None, Field(description="Why it ended, or ends. Not in Browserbase's API.")] = None
    projectId: str
    status: Literal["PENDING", "RUNNING", "ERROR", "TIMED_OUT", "COMPLETED"]
    proxyBytes: Annotated[int, Field(ge=0)]
    keepAlive: bool
    region: Region
    contextId: str | None = None
    userMetadata: dict[str, Any] | None = None
    connectUrl: Annotated[str | None, Field(description="For connect_over_cdp, or browserWSEndpoint.")] = None
    seleniumRemoteUrl: str | None = None
    signingKey: Annotated[str | None, Field(description="For the header x-bb-signing-key.")] = None


class CreatedSession(Session):
    """A session that clients may connect to."""

    connectUrl: str
    seleniumRemoteUrl: str
    signingKey: str


class Entry(Shape):
    """A line of a session's history."""

    sequence: int
    at: datetime
    event: str
    from_: Annotated[str | None, Field(alias="from")] = None
    to: str
    reason: str | None = None
    detail: str | None = None


class LivePage(Shape):
    """A tab."""

    id: str
    url: str
    title: str
    faviconUrl: str
    debuggerUrl: str
    debuggerFullscreenUrl: str
    readOnlyUrl: Annotated[str, Field(description="The live view without a way to act. Not in Browserbase's API.")]


class SessionLiveUrls(Shape):
    """URLs for a person to look with."""

    debuggerUrl: str
    debuggerFullscreenUrl: str
    readOnlyUrl: str
    wsUrl: str
    pages: list[LivePage]


class LogRequest(Shape):
    timestamp: int | None = None
    params: dict[str, Any]
    rawBody: str


class SessionLog(Shape):
    """What a page did."""

    method: str
    pageId: int
    sessionId: str
    timestamp: int | None = None
    frameId: str | None = None
    loaderId: str | None = None
    request: LogRequest | None = None


class SessionRecording(Shape):
    """An event of rrweb's."""

    data: dict[str, Any]
    sessionId: str
    timestamp: int
    type: int


class ReplayPage(Shape):
    pageId: str
    url: str
    startTimeMs: int
    endTimeMs: int


class Replays(Shape):
    pageCount: int
    pages: list[ReplayPage]


class Upload(Shape):
    """A file that the session's browser can read."""

    message: str
    name: Annotated[str, Field(description="The name that it has there.")]
    path: Annotated[str, Field(description="For DOM.setFileInputFiles.")]
    size: Annotated[int, Field(ge=0)]


class Started(Shape):
    sessionId: str
    available: Annotated[Literal[False], Field(description="This server does not think for Stagehand.")]


class StagehandStart(Shape):
    success: Literal[True]
    data: Started


class Context(Shape):
    id: str
    createdAt: datetime
    updatedAt: datetime
    projectId: str
    name: str | None = None
    version: Annotated[
        int | None, Field(description="What the next session begins with. Not in Browserbase's API.")
    ] = None


class ContextUpload(Shape):
    """A context, and how an archive of a profile is uploaded to it."""

    id: str
    uploadUrl: str
    publicKey: str
    cipherAlgorithm: str
    initializationVectorSize: Annotated[int, Field(ge=0, le=255)]


class ContextVersion(Shape):
    version: int
    createdAt: datetime
    size: int
    sha256: str
    head: bool
    conflicted: bool
    basedOn: int | None = None
    sessionId: str | None = None


class Extension(Shape):
    id: str
    createdAt: datetime
    updatedAt: datetime
    fileName: str
    projectId: str


class Certificate(Shape):
    id: str
    createdAt: datetime
    updatedAt: datetime
    projectId: str


class Download(Shape):
    id: str
    sessionId: str
    filename: str
    mimeType: str
    size: Annotated[int, Field(ge=0)]
    checksum: Annotated[str, Field(description="SHA-256, in hexadecimal.")]
    createdAt: datetime


class Downloads(Shape):
    downloads: list[Download]
    total: int
    limit: int
    offset: int


class Project(Shape):
    id: str
    createdAt: datetime
    updatedAt: datetime
    name: Annotated[str, Field(min_length=1)]
    ownerId: str
    defaultTimeout: Annotated[int, Field(ge=60, le=21_600)]
    concurrency: Annotated[int, Field(ge=1)]


class ProjectUsage(Shape):
    browserMinutes: Annotated[int, Field(ge=0)]
    proxyBytes: Annotated[int, Field(ge=0)]


class Fetched(Shape):
    id: str
    statusCode: int
    headers: dict[str, str]
    content: Annotated[Any, Field(description="Text for raw and markdown, any JSON value for json.")]
    contentType: str
    encoding: Annotated[str, Field(description="The charset of the text, or base64 for what is no text.")]


class Health(Shape):
    status: Literal["ok", "stopping"]


class Readiness(Shape):
    status: Literal["ok", "unavailable"]
    dependencies: dict[str, str]
