"""Service workers of extensions, which Chrome starts when it loads them.

A client that has such a worker `fetch` before it has started for good crashes the worker's process (Chromium 156), and
nothing starts it again. So a session is READY when its extensions' workers are in charge.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any
from urllib.parse import urlsplit

from controller.cdp import Connection, Refused
from controller.chrome import Endpoint

#: Answered when the worker is in charge, which is after its script has run.
IN_CHARGE = """new Promise(done => {
    const look = () => serviceWorker.state === 'activated' && done()
    serviceWorker.addEventListener('statechange', look)
    look()
})"""


async def in_charge(endpoint: Endpoint, extensions: Collection[str], *, within: float) -> bool:
    """Whether the workers of all these extensions, by Chrome's ids, are in charge within so many seconds.

    Raises OSError where Chrome is gone.
    """
    seen: dict[str, asyncio.Future[str]] = {one: asyncio.get_running_loop().create_future() for one in extensions}

    def created(params: dict[str, Any], _: str | None) -> None:
        worker = params["targetInfo"]
        url = urlsplit(worker["url"])
        first = seen.get(url.netloc) if url.scheme == "chrome-extension" else None
        if first is not None and not first.done():
            first.set_result(worker["targetId"])

    async def waited_for(first: asyncio.Future[str]) -> None:
        attached = await connection.call("Target.attachToTarget", targetId=await first, flatten=True)
        await connection.call("Runtime.evaluate", attached["sessionId"], expression=IN_CHARGE, awaitPromise=True)

    connection = await Connection.open(endpoint)
    try:
        connection.on("Target.targetCreated", created)
        await connection.call("Target.setDiscoverTargets", discover=True, filter=[{"type": "service_worker"}])
        async with asyncio.timeout(within):
            await asyncio.gather(*map(waited_for, seen.values()))
    except (TimeoutError, Refused):
        return False
    finally:
        await connection.close()
    return True
