"""The unmodified Node SDK: every method of the served resources, and the errors that its users catch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.authority import issue
from tests.conformance.calls import CALLS, UNRECORDED, UNREPLAYED
from tests.conformance.programs import run
from tests.eventually import eventually
from tests.platform import Platform
from tests.zips import extension

pytestmark = pytest.mark.browser


def test_every_method_of_the_node_sdk(platform: Platform, page: str, node: Path, tmp_path: Path) -> None:
    """What it reads is what the server knows, with nothing left undefined."""
    (tmp_path / "node.zip").write_bytes(extension())
    (tmp_path / "ca.pem").write_bytes(issue("node").pem)
    ended = platform.create()["id"]
    platform.release(ended)

    told = run(
        node,
        "sdk.mjs",
        platform,
        projectId=platform.project_id,
        extension=str(tmp_path / "node.zip"),
        certificate=str(tmp_path / "ca.pem"),
        page=page,
        ended=ended,
    )

    errors = {name.partition(".")[2]: told.pop(name) for name in list(told) if name.startswith("errors.")}
    session = told["sessions.create"]
    assert {name.replace("fetchAPI", "fetch_api") for name in told} == set(CALLS) - UNRECORDED - UNREPLAYED
    assert told["sessions.retrieve"]["connectUrl"] == session["connectUrl"]
    assert [one["id"] for one in told["sessions.list"]] == [session["id"]]
    assert told["sessions.debug"]["pages"][0]["url"] == "about:blank"
    assert told["sessions.uploads.create"]["message"] == "File uploaded successfully"
    assert told["sessions.downloads.list"] == "application/zip"
    assert told["sessions.update"]["status"] == "COMPLETED"
    assert told["sessions.replays.retrieve"] == {"pageCount": 0, "pages": []}
    assert told["contexts.retrieve"]["id"] == told["contexts.create"]["id"]
    assert told["extensions.retrieve"]["fileName"] == "node.zip"
    assert [one["id"] for one in told["certificates.list"]] == [told["certificates.create"]["id"]]
    assert told["projects.retrieve"] == told["projects.list"][0]
    assert "of this machine" in told["fetchAPI.create"]["content"]
    eventually(lambda: platform.ended(session["id"]))
    assert summary(errors) == {
        "unknown": ("NotFoundError", 404),
        "wrong": ("BadRequestError", 400),
        "unserved": ("InternalServerError", 501),
        "nowhere": ("NotFoundError", 404),
    }
    assert "body/timeout must be >= 60" in errors["wrong"][2]


def summary(errors: dict[str, list[Any]]) -> dict[str, tuple[str, int]]:
    return {name: (kind, status) for name, (kind, status, *_) in errors.items()}
