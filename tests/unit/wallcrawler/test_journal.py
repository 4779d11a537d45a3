"""The wire between a guest's journal and the API: what is taken, and where it is kept."""

from __future__ import annotations

from typing import Any

import pytest

from wallcrawler.journal import KEPT, Chunk, blob, folder

ENTRY = {"method": "Page.loadEventFired", "pageId": 0, "timestamp": 1, "params": {"timestamp": 1.5}}


def wire(**changed: Any) -> dict[str, Any]:
    return {"number": 1, "dropped": 0, "entries": [ENTRY]} | changed


def test_a_chunk_is_taken_as_it_is() -> None:
    """With the ids of frame and loader where there are any, and with nothing that no entry has."""
    entry = ENTRY | {"frameId": "F", "loaderId": "L", "sessionId": "another", "request": {}}

    chunk = Chunk.from_wire(wire(entries=[entry]))

    assert chunk == Chunk(1, 0, [ENTRY | {"frameId": "F", "loaderId": "L"}])


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ([], "entries must be array"),
        (wire(entries={}), "entries must be array"),
        (wire(number=0), "number must be an integer >= 1"),
        (wire(number=True), "number must be an integer >= 1"),
        (wire(dropped=-1), "dropped must be an integer >= 0"),
        (wire(entries=[ENTRY, 1]), "entries/1 must be object"),
        (wire(entries=[ENTRY | {"method": None}]), "entries/0/method must be str"),
        (wire(entries=[ENTRY | {"pageId": "0"}]), "entries/0/pageId must be int"),
        (wire(entries=[ENTRY | {"timestamp": 1.5}]), "entries/0/timestamp must be int"),
        (wire(entries=[ENTRY | {"params": []}]), "entries/0/params must be dict"),
    ],
)
def test_what_clients_could_not_read_is_refused(body: Any, problem: str) -> None:
    """SDKs refuse the whole log for one entry that is not of their types; the field is named."""
    with pytest.raises(ValueError, match=f"^{problem}$"):
        Chunk.from_wire(body)


def test_whatever_a_guest_sends_a_session_has_so_many_blobs_and_no_more() -> None:
    """The next chunk takes the oldest one's place, in the session's own folder."""
    names = {blob("one", number) for number in range(1, 10 * KEPT)}

    assert len(names) == KEPT
    assert blob("one", 1) == blob("one", KEPT + 1) == "logs/one/1.jsonl.zst"
    assert all(name.startswith(folder("one")) for name in names)
