"""Certificates that this session's Chrome trusts, and no other program.

Chrome on Linux takes its user's trust from the NSS database in its home. The home of a session's Chrome is the
session's own directory, outside of the profile: other sessions have other homes, and a context that is kept carries no
trust along.
"""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from controller.parts import Launch, Part, PartFailed
from wallcrawler import log as logs
from wallcrawler.lifecycle import Reason

log = logs.get()

#: NSS's own tool, and how to get it.
TOOL = "certutil"
REMEDY = f"{TOOL} is not there, where the browser runs: apt-get install libnss3-tools (Debian), dnf install nss-tools"

#: Where Chrome looks, below its home.
DATABASE = ".pki/nssdb"

#: Seconds for the tool, which needs a tenth of one.
IMPORTED_WITHIN = 20.0

#: Trusted as an authority of servers, and as a server's own certificate.
TRUST = "CP,,"

END = "-----END CERTIFICATE-----\n"


class Certificates(Part):
    """Plan: {"pem"}, certificates one after another."""

    name = "certificates"

    async def prepare(self, launch: Launch) -> None:
        if not self.plan:
            return
        tool = shutil.which(TOOL)
        if tool is None:
            raise _failed(REMEDY)
        (Path(launch.environment["HOME"]) / DATABASE).mkdir(parents=True, mode=0o700)
        await _run(tool, launch.environment, "-N", "--empty-password")
        certificates = [part + END for part in self.plan["pem"].split(END) if part]
        for number, certificate in enumerate(certificates):
            await _run(
                tool, launch.environment, "-A", "-a", "-n", f"certificate {number}", "-t", TRUST, given=certificate
            )
        log.info("certificates.trusted", certificates=len(certificates))


async def _run(tool: str, environment: dict[str, str], *arguments: str, given: str = "") -> None:
    """Raises PartFailed."""
    database, pipe = f"sql:{environment['HOME']}/{DATABASE}", asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *(tool, "-d", database, *arguments),
        env=environment,
        # uvloop raises where something is written, be it nothing, to a child that has ended.
        stdin=pipe if given else asyncio.subprocess.DEVNULL,
        stdout=pipe,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(IMPORTED_WITHIN):
            said, _ = await process.communicate(given.encode() or None)
    except TimeoutError:
        raise _failed(f"{TOOL} did not end within {IMPORTED_WITHIN:g} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise _failed(f"{TOOL} said: {said.decode(errors='replace').strip()[:200]}")


def _failed(why: str) -> PartFailed:
    return PartFailed(Reason.LAUNCH_FAILED.because(f"certificates: {why}"), f"certificates: {why}")
