"""Files that clients upload for the session's browser: the API sends them here, and they are put where Chrome can read.

    PUT /control/uploads/<name>?total=<bytes>&count=<files>    the file's bytes -> {"name", "path"}

`total` and `count` are the most that there may be of all files together. A file takes the place of another of its name.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO
from urllib.parse import parse_qs, unquote

from controller.parts import Guest, Handler, Part, Request
from wallcrawler.wire.caller import BadBody

#: Bytes that are written at once.
PIECE = 1 << 20

#: How files begin that are still being written; no file that a client uploads begins with a dot.
HALF = ".half-"


class Uploads(Part):
    """The session's uploaded files. They are gone with it."""

    name = "uploads"

    def __init__(self, guest: Guest) -> None:
        super().__init__(guest)
        #: Bytes of the files that are being written, by the paths where they are until then.
        self._coming: dict[str, int] = {}

    @property
    def handlers(self) -> Mapping[str, Handler]:
        return {"control/uploads": self._receive}

    async def _receive(self, request: Request) -> None:
        """Raises BadBody."""
        if request.head.method != "PUT":
            request.caller.refuse(405, "only PUT")
            return
        name = unquote(request.path.removeprefix("/"), errors="strict")
        if name in {"", ".", ".."} or "/" in name or "\0" in name or name.startswith("."):
            request.caller.refuse(400, "the name is not one of a file")
            return
        limits = parse_qs(request.query)
        path = await self._kept(request, name, total=int(limits["total"][0]), count=int(limits["count"][0]))
        request.caller.answer(200, {"name": name, "path": str(path)})

    async def _kept(self, request: Request, name: str, *, total: int, count: int) -> Path:
        self.guest.uploads.mkdir(mode=0o700, parents=True, exist_ok=True)
        size = int(request.head.header("content-length"))
        try:
            self._make_room(name, size, total=total, count=count)
        except BadBody:
            # Who is still sending hears no answer.
            async for _ in request.caller.chunks(size):
                pass
            raise
        handle, half = tempfile.mkstemp(prefix=HALF, dir=self.guest.uploads)
        self._coming[half] = size
        try:
            with os.fdopen(handle, "wb") as file:
                await _written(request, file, size)
            path = self.guest.uploads / name
            os.replace(half, path)
        finally:
            del self._coming[half]
            _forget(half)
        return path

    def _make_room(self, name: str, size: int, *, total: int, count: int) -> None:
        """Raises BadBody where there may not be so much more."""
        found = {entry.name: entry.stat(follow_symlinks=False).st_size for entry in os.scandir(self.guest.uploads)}
        others = [taken for other, taken in found.items() if other != name and not other.startswith(HALF)]
        others += self._coming.values()
        if len(others) >= count:
            raise BadBody(413, f"a session may have {count} uploaded files, and it has them")
        if sum(others) + size > total:
            raise BadBody(413, f"a session's uploads may have {total} bytes, and it has {sum(others)} of them")

    async def close(self) -> None:
        """Where they lie outside of the session's directory, they are ours to delete."""
        with suppress(FileNotFoundError):
            for entry in os.scandir(self.guest.uploads):
                os.unlink(entry)


def _forget(half: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(half)


async def _written(request: Request, file: IO[bytes], size: int) -> None:
    waiting = bytearray()
    async for chunk in request.caller.chunks(size):
        waiting += chunk
        if len(waiting) >= PIECE:
            await asyncio.to_thread(file.write, bytes(waiting))
            waiting.clear()
    await asyncio.to_thread(file.write, bytes(waiting))
