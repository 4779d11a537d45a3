"""A file to a signed URL, and from one.

Bytes are read, hashed and written in threads, a piece at a time, so that neither the loop nor memory notices how long
the file is. Whatever goes wrong is an OSError whose text holds no URL: a signed one is a secret.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import h11

#: Bytes that are read from a file, or written to one, at once.
PIECE = 1 << 20
#: Bytes that are read from a socket at once.
CHUNK = 1 << 17
#: Seconds that may pass without a byte.
PATIENCE = 30.0
#: Seconds in which a store that stopped listening may still say why.
LAST_WORD = 1.0


class Refused(OSError):
    """The store's answer was no. `status` is HTTP's."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the store answered {status}")
        self.status = status


class TooLong(OSError):
    """There are more bytes than the caller takes. What came is gone again."""


class Damaged(OSError):
    """What came is not what was promised. It is gone again."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What was moved: bytes, and their sha256 in hex."""

    size: int
    sha256: str


async def upload(url: str, path: Path, *, once: bool = False, patience: float = PATIENCE) -> Moved:
    """PUT the file; with `once`, where there is none yet, and else Refused with 412.

    Raises Refused, and OSError also where nothing moved for `patience` seconds.
    """
    file = await asyncio.to_thread(path.open, "rb")
    try:
        size = os.fstat(file.fileno()).st_size
        async with _connected(url, patience) as wire:
            await wire.write(_request("PUT", url, size, once=once))
            # The store may say no before it has heard everything; who only writes would hear of a broken pipe.
            sending = asyncio.create_task(_send(wire, file, size))
            answering = asyncio.create_task(wire.answered(patience=None))
            try:
                status = await _answer(sending, answering, patience)
                if not 200 <= status < 300:
                    raise Refused(status)
                return Moved(size, await sending)
            finally:
                sending.cancel()
                answering.cancel()
                await asyncio.wait({sending, answering})
    finally:
        file.close()


async def _answer(sending: asyncio.Task[str], answering: asyncio.Task[int], patience: float) -> int:
    """The status, which is waited for from when all was sent, or sending failed."""
    await asyncio.wait({sending, answering}, return_when=asyncio.FIRST_COMPLETED)
    if not answering.done():
        broken = sending.exception()
        await asyncio.wait({answering}, timeout=LAST_WORD if broken else patience)
        if broken and not (answering.done() and answering.exception() is None):
            raise broken
        if not answering.done():
            raise TimeoutError("the store does not answer")
    return answering.result()


async def _send(wire: _Wire, file: IO[bytes], size: int) -> str:
    """The file's first `size` bytes; returns their sha256."""
    digest = hashlib.sha256()
    left = size
    while left:
        piece = await asyncio.to_thread(_read, file, min(PIECE, left), digest)
        if not piece:
            raise OSError("the file became shorter while it was sent")
        left -= len(piece)
        await wire.write(h11.Data(data=piece))
    await wire.write(h11.EndOfMessage())
    return digest.hexdigest()


async def download(url: str, path: Path, *, limit: int, sha256: str | None = None, patience: float = PATIENCE) -> Moved:
    """GET into a new file, at most `limit` bytes of it.

    Raises Refused, TooLong, Damaged where the bytes are not those of `sha256` or broke off, FileExistsError, and
    OSError also where nothing moved for `patience` seconds. Where it raises, there is no file.
    """
    file = await asyncio.to_thread(path.open, "xb")
    try:
        with file:
            async with _connected(url, patience) as wire:
                await wire.write(_request("GET", url))
                await wire.write(h11.EndOfMessage())
                if (status := await wire.answered(patience=patience)) != 200:
                    raise Refused(status)
                moved = await _receive(wire, file, limit)
        if sha256 is not None and moved.sha256 != sha256:
            raise Damaged(f"{moved.size} bytes came, and not those that were stored")
    except BaseException:
        _forget(path)
        raise
    return moved


async def _receive(wire: _Wire, file: IO[bytes], limit: int) -> Moved:
    digest, size, waiting = hashlib.sha256(), 0, bytearray()
    async for data in wire.body():
        size += len(data)
        if size > limit:
            raise TooLong(f"there are more than {limit} bytes")
        waiting += data
        if len(waiting) >= PIECE:
            await asyncio.to_thread(_write, file, bytes(waiting), digest)
            waiting.clear()
    await asyncio.to_thread(_write, file, bytes(waiting), digest)
    return Moved(size, digest.hexdigest())


def _read(file: IO[bytes], size: int, digest: hashlib._Hash) -> bytes:
    piece = file.read(size)
    digest.update(piece)
    return piece


def _write(file: IO[bytes], piece: bytes, digest: hashlib._Hash) -> None:
    digest.update(piece)
    file.write(piece)


def _forget(path: Path) -> None:
    path.unlink(missing_ok=True)


def _request(method: str, url: str, size: int | None = None, *, once: bool = False) -> h11.Request:
    parts = urlsplit(url)
    length = [] if size is None else [("content-length", str(size))]
    only = [("if-none-match", "*")] if once else []
    return h11.Request(
        method=method,
        target=f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}",
        headers=[("host", parts.netloc), *length, *only, ("connection", "close")],
    )


#: What a peer may do next, as h11 says it.
Step = h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]


class _Wire:
    """One exchange on a connection of its own, with a limit to every silence."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, patience: float) -> None:
        self._reader = reader
        self._writer = writer
        self._patience = patience
        self._http = h11.Connection(h11.CLIENT)

    async def write(self, event: h11.Request | h11.Data | h11.EndOfMessage) -> None:
        self._writer.write(self._http.send(event) or b"")
        async with asyncio.timeout(self._patience):
            await self._writer.drain()

    async def answered(self, *, patience: float | None) -> int:
        """The answer's status; `patience` None waits as long as it takes."""
        while True:
            event = await self._next(patience)
            if isinstance(event, h11.Response):
                return event.status_code
            if not isinstance(event, h11.InformationalResponse):
                raise OSError("the store closed the connection without an answer")

    async def body(self) -> AsyncIterator[bytes]:
        while True:
            event = await self._next(self._patience)
            if isinstance(event, h11.Data):
                yield bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                return
            else:
                raise Damaged("the connection closed in the middle")

    async def _next(self, patience: float | None) -> Step:
        try:
            while True:
                event = self._http.next_event()
                if event is not h11.NEED_DATA:
                    return event
                async with asyncio.timeout(patience):
                    data = await self._reader.read(CHUNK)
                self._http.receive_data(data)
        except h11.RemoteProtocolError:
            raise Damaged("the connection closed in the middle, or it is no HTTP") from None


@asynccontextmanager
async def _connected(url: str, patience: float) -> AsyncIterator[_Wire]:
    parts = urlsplit(url)
    secure = parts.scheme == "https"
    context = ssl.create_default_context() if secure else None
    async with asyncio.timeout(patience):
        reader, writer = await asyncio.open_connection(
            parts.hostname or "", parts.port or (443 if secure else 80), ssl=context, limit=CHUNK
        )
    try:
        yield _Wire(reader, writer, patience)
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
