"""The topic of one machine: a log line for each notice."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from wallcrawler import log as logs

log = logs.get()


class LoggedTopic:
    def publish(self, body: Mapping[str, Any], *, attributes: Mapping[str, str]) -> None:
        log.info("topic.published", event_type=attributes["eventType"], status=body["status"])
