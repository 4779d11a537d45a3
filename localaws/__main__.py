"""`python -m localaws`: serve as the environment says, until SIGTERM or SIGINT."""

from __future__ import annotations

import signal
import sys
from types import FrameType

from localaws.errors import StartupError
from localaws.service import LocalAws
from localaws.settings import Settings
from wallcrawler import log as logs

log = logs.get()

#: Exit status for settings that are wrong: trying again would not help.
BAD_SETTINGS = 2


def main() -> int:
    try:
        settings = Settings.load()
        logs.configure(service="localaws", fmt=settings.log_format, level=settings.log_level)
        service = LocalAws(settings)
    except StartupError as wrong:
        sys.stderr.write(f"localaws: {wrong}\n")
        return BAD_SETTINGS

    def end(_number: int, _frame: FrameType | None) -> None:
        service.ended.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    service.start()
    log.info("localaws.ready", url=service.url, driver=settings.driver, pipe=settings.pipe_source)
    service.ended.wait()
    service.stop()
    log.info("localaws.stopped")
    return 0 if service.failure is None else 1


if __name__ == "__main__":
    sys.exit(main())
