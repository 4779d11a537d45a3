"""Lists in pages: `limit` and `cursor` of the query, and the `Link` header that leads to the next page.

Browserbase's lists have no pages, and its clients ask for none: without `limit` they get the most that one answer
holds, as the bare array that they expect. A cursor is opaque, and signed: what a store reads as a position is its own.
"""

from __future__ import annotations

import hashlib
import re
from typing import Final
from urllib.parse import urlencode

from flask import Request
from itsdangerous import BadData, URLSafeSerializer

from services.api.answers import Refusal
from wallcrawler.tokens import Signer

#: Records of the longest page, and of one whose request names no limit.
LONGEST: Final = 1000

_WHOLE: Final = re.compile(r"[0-9]{1,4}")


class Cursors:
    """Positions in lists, as callers carry them. Every API process that has the deployment's keys reads them."""

    def __init__(self, signer: Signer) -> None:
        self._sealing = URLSafeSerializer(
            signer.secret("cursors"), signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256}
        )

    def given_to(self, request: Request) -> str | None:
        """The store's cursor that the request has. Raises Refusal 400 for one that was not handed out here."""
        cursor = request.args.get("cursor")
        if cursor is None:
            return None
        try:
            return str(self._sealing.loads(cursor))
        except BadData:
            raise foreign() from None

    def link(self, request: Request, cursor: str) -> str:
        """The Link header to the page at `cursor`: relative, so that it is right behind any proxy."""
        query = [(name, value) for name, value in request.args.items(multi=True) if name != "cursor"]
        return f'<?{urlencode([*query, ("cursor", str(self._sealing.dumps(cursor)))])}>; rel="next"'


def foreign() -> Refusal:
    return Refusal(400, "querystring/cursor must be one that this list's Link header gave")


def limit(request: Request) -> int:
    """Raises Refusal 400."""
    wanted = request.args.get("limit")
    if wanted is None:
        return LONGEST
    if not _WHOLE.fullmatch(wanted) or not 1 <= int(wanted) <= LONGEST:
        raise Refusal(400, f"querystring/limit must be an integer from 1 to {LONGEST}")
    return int(wanted)
