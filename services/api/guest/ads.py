"""The list of hosts that serve ads, for guests whose sessions asked to be without."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from importlib import resources
from pathlib import Path

from flask import Blueprint, Response, jsonify

from services.api.answers import NO_RETRY, Refusal
from wallcrawler import log as logs
from wallcrawler.egress.domains import Domains, read_list
from wallcrawler.session import Session
from wallcrawler.wiring import Ports

log = logs.get()


def add(routes: Blueprint, ports: Ports, speaking: Callable[[str], Session]) -> None:
    @routes.get("/ads")
    def ads(session_id: str) -> Response:
        speaking(session_id)
        listed = ad_list(ports.settings.ad_list)
        return jsonify(domains=sorted(listed.domains), without=sorted(listed.without))


def ad_list(path: Path | None) -> Domains:
    """The operator's, or Wallcrawler's own; read again where the file has changed. Raises Refusal."""
    if path is None:
        return _own_list()
    try:
        return _read(path, path.stat().st_mtime_ns)
    except (OSError, UnicodeDecodeError) as unreadable:
        why = getattr(unreadable, "strerror", None) or "it is not UTF-8"
        log.error("ads.unreadable", path=str(path), why=why)
        raise Refusal(409, f"WALLCRAWLER_AD_LIST can't be read: {why}", NO_RETRY) from None


@lru_cache(maxsize=1)
def _read(path: Path, changed: int) -> Domains:
    """`changed` has it read again."""
    return read_list(path.read_text(encoding="utf-8"))


@lru_cache(maxsize=1)
def _own_list() -> Domains:
    return read_list(resources.files("wallcrawler.egress").joinpath("ads.txt").read_text(encoding="utf-8"))
