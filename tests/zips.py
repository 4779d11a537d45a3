"""Zips of Chrome extensions for tests: a good one, and what it takes to make it a bad one."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from typing import Any

#: Marks every page that it sees, and has a service worker.
MARKER: Mapping[str, Any] = {
    "manifest_version": 3,
    "name": "Marker",
    "version": "1.2",
    "background": {"service_worker": "service-worker.js"},
    "content_scripts": [{"matches": ["<all_urls>"], "js": ["mark.js"], "run_at": "document_start"}],
}

FILES: Mapping[str, str] = {
    "mark.js": "document.documentElement.dataset.marked = 'yes'",
    "service-worker.js": "self.marker = 'awake'",
}


def extension(manifest: Mapping[str, Any] = MARKER, files: Mapping[str, str] = FILES, **changes: Any) -> bytes:
    """The zip of an extension; `changes` are fields of its manifest that are others."""
    return zipped({"manifest.json": json.dumps({**manifest, **changes}), **files})


def zipped(members: Mapping[str, str | bytes]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return packed.getvalue()
