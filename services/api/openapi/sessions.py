"""Sessions, and what they leave behind."""

from __future__ import annotations

from typing import Final

from services.api import bodies, debug, pages
from services.api.openapi import shapes
from services.api.openapi.operations import Operation, Operations, Query

SESSIONS: Final[Operations] = {
    "POST /v1/sessions": Operation(
        "Sessions_create",
        "Create a session",
        shapes.CreatedSession,
        status=201,
        body=bodies.CreateSession,
        refusals=(403, 404, 409, 410, 422, 429, 502, 504),
        description="Answers when its browser can be connected to. With the header `Idempotency-Key` it may be "
        "repeated.",
        headers={"x-wallcrawler-not-applied": "Settings that were asked for and do nothing here, with commas between."},
    ),
    "GET /v1/sessions": Operation(
        "Sessions_list",
        "List sessions, the newest first",
        list[shapes.Session],
        query=(
            Query(
                "status",
                {"type": "string", "enum": ["PENDING", "RUNNING", "ERROR", "TIMED_OUT", "COMPLETED"]},
                "Only sessions that are so.",
            ),
            Query("q", {"type": "string"}, "Only sessions with this metadata: `user_metadata['key']:'value'`."),
            Query(
                "limit",
                {"type": "integer", "minimum": 1, "maximum": pages.LONGEST},
                f"Sessions on a page; {pages.LONGEST} where it is not there. With a filter there may be fewer.",
            ),
            Query("cursor", {"type": "string"}, "Where a page begins, from the Link header of the one before."),
        ),
        headers={"Link": '`<?...>; rel="next"`, where there are more: a reference relative to the request\'s URL.'},
    ),
    "GET /v1/sessions/{session_id}": Operation("Sessions_get", "Get a session", shapes.Session),
    "POST /v1/sessions/{session_id}": Operation(
        "Sessions_update",
        "Ask for a session's end",
        shapes.Session,
        body=bodies.UpdateSession,
        refusals=(403,),
        description="Waits a moment for the browser to be gone. May be repeated.",
    ),
    "GET /v1/sessions/{session_id}/debug": Operation(
        "Sessions_getDebug",
        "Get URLs of the live view",
        shapes.SessionLiveUrls,
        query=(
            Query(
                "expiresIn",
                {"type": "integer", "minimum": 1, "maximum": debug.LONGEST},
                "Seconds for which the URLs open a connection.",
            ),
        ),
        refusals=(409, 410, 502),
    ),
    "GET /v1/sessions/{session_id}/events": Operation(
        "Sessions_getEvents",
        "Get a session's history, oldest first",
        list[shapes.Entry],
        description="Not in Browserbase's API.",
    ),
    "GET /v1/sessions/{session_id}/logs": Operation(
        "Sessions_getLogs", "Get what a session's pages said, loaded and answered", list[shapes.SessionLog]
    ),
    "POST /v1/sessions/{session_id}/uploads": Operation(
        "Sessions_uploadFile",
        "Upload a file for the browser to read",
        shapes.Upload,
        file=True,
        refusals=(409, 410, 502),
    ),
    "GET /v1/sessions/{session_id}/downloads": Operation(
        "Sessions_getDownloads", "Get all files that a session downloaded", media=("application/zip",)
    ),
    "DELETE /v1/sessions/{session_id}/downloads": Operation(
        "Sessions_deleteDownloads", "Delete all files that a session downloaded", status=204
    ),
    "GET /v1/sessions/{session_id}/recording": Operation(
        "Sessions_getRecording",
        "Get a session's recording",
        list[shapes.SessionRecording],
        description="It is empty: no session is recorded.",
    ),
    "GET /v1/sessions/{session_id}/recording/downloads": Operation(
        "Sessions_listRecordingDownloads", "List films of a session: there are none", status=422
    ),
    "POST /v1/sessions/{session_id}/recording/downloads": Operation(
        "Sessions_createRecordingDownloads", "Ask for a film of a session: there is none", status=422
    ),
    "GET /v1/sessions/{session_id}/replays": Operation(
        "Sessions_getReplay",
        "List the pages of a session's replay",
        shapes.Replays,
        description="It is empty: no session is recorded.",
    ),
    "GET /v1/sessions/{session_id}/replays/{page_id}": Operation(
        "Sessions_getReplayPage", "Get a page's replay: there is none", status=404, refusals=(400,)
    ),
    "POST /v1/sessions/start": Operation(
        "Stagehand_start",
        "Create a session for Stagehand 3, or let it have one",
        shapes.StagehandStart,
        body=bodies.StartSession,
        refusals=(403, 404, 409, 410, 422, 429, 502, 504),
        error=shapes.StagehandError,
        description="What Stagehand asks of its own service. Of Browserbase's API it is no part.",
    ),
}

DOWNLOADS: Final[Operations] = {
    "GET /v1/downloads": Operation(
        "Downloads_list",
        "List files that a session downloaded",
        shapes.Downloads,
        query=(
            Query("sessionId", {"type": "string"}, "The session.", required=True),
            Query("filename", {"type": "string", "maxLength": 255}, "Only files of this name."),
            Query("mimeType", {"type": "string", "maxLength": 255}, "Only files of this type."),
            Query("minSize", {"type": "number", "minimum": 0}, "Only files of at least so many bytes."),
            Query("maxSize", {"type": "number", "minimum": 0}, "Only files of at most so many bytes."),
            Query("createdAfter", {"type": "string", "format": "date-time"}, "Only files from then on."),
            Query("createdBefore", {"type": "string", "format": "date-time"}, "Only files until then."),
            Query("limit", {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}, "Files on a page."),
            Query("offset", {"type": "integer", "minimum": 0, "default": 0}, "Files before the page."),
        ),
        refusals=(404,),
    ),
    "GET /v1/downloads/{id}": Operation(
        "Downloads_get",
        "Get a file, or what is known of it",
        shapes.Download,
        media=("application/octet-stream",),
        refusals=(406,),
        description="`Accept: application/octet-stream` gets the file, `application/json` what is known of it.",
    ),
    "DELETE /v1/downloads/{id}": Operation("Downloads_delete", "Delete a file", status=204),
}
