"""How long a request's body may be, by its route. The server goes by it before it keeps a byte, and Flask after it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from wallcrawler.settings import Settings
from wallcrawler.wire import package

#: Bytes of the largest JSON body, and of everything that has no limit of its own.
BODY_LIMIT: Final = 2 << 20

#: Bytes that a multipart form may have around its file.
FORM: Final = 64 << 10

#: Bytes of the largest bundle of certificates.
CERTIFICATE_LIMIT: Final = 1 << 20

#: Bytes of the largest blob that is put in one piece: S3's own limit.
BLOB_LIMIT: Final = 5 << 30

_Limit = Callable[[Settings], int]

#: Routes whose bodies are files.
FILES: Final[tuple[tuple[str, re.Pattern[str], _Limit], ...]] = (
    ("POST", re.compile(r"/v1/sessions/[^/]+/uploads/?"), lambda settings: settings.upload_limit + FORM),
    ("POST", re.compile(r"/v1/extensions/?"), lambda _: package.LIMIT + FORM),
    ("POST", re.compile(r"/v1/certificates/?"), lambda _: CERTIFICATE_LIMIT + FORM),
    ("PUT", re.compile(r"/blobs/.+"), lambda _: BLOB_LIMIT),
    ("PUT", re.compile(r"/uploads/contexts/.+"), lambda settings: settings.context_limit),
)


class Limits:
    """The limits of one API."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def of(self, method: str, path: str) -> int:
        """Bytes of the longest body that this request may have."""
        for files_method, paths, limit in FILES:
            if method == files_method and paths.fullmatch(path):
                return limit(self._settings)
        return BODY_LIMIT

    def exceeded(self, method: str, path: str) -> str:
        """What is said of a longer one."""
        limit = self.of(method, path)
        if method == "POST" and limit != BODY_LIMIT:
            return f"body/file must be at most {limit - FORM} bytes, and body {limit}"
        return f"body must be at most {limit} bytes"
