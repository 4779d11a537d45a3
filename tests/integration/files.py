"""How a guest puts its downloads away, and how a test looks at what became of them."""

from __future__ import annotations

import hashlib
import io
import zipfile
from http import HTTPStatus
from typing import Any

import httpx

from tests.platform import Platform


class Guest:
    """Speaks to the API as a session's guest does."""

    def __init__(self, platform: Platform, session_id: str) -> None:
        token = platform.ports.links.token(platform.ports.sessions.get(session_id), "guest")
        self.url = f"{platform.url}/guest/v1/sessions/{session_id}/downloads"
        self.headers = {"Authorization": f"Bearer {token}"}

    def ask(self, method: str, path: str = "", body: Any = None) -> httpx.Response:
        return httpx.request(method, self.url + path, json=body, headers=self.headers)

    def download(self, name: str, body: bytes) -> int:
        """Puts it away, as a guest does; its number."""
        place = self.ask("POST", body={"name": name, "size": len(body)}).raise_for_status().json()
        put = httpx.put(place["url"], content=body, headers={"If-None-Match": "*"})
        assert put.status_code == 204, put.text
        facts = {"size": len(body), "sha256": hashlib.sha256(body).hexdigest()}
        self.ask("PUT", f"/{place['number']}", facts).raise_for_status()
        return int(place["number"])


def refusal(answer: httpx.Response, status: int) -> str:
    """The message of an error that has exactly the shape which clients parse."""
    body = answer.json()
    assert answer.status_code == body["statusCode"] == status, answer.text
    assert body == {"statusCode": status, "error": HTTPStatus(status).phrase, "message": body["message"]}
    return str(body["message"])


def unzipped(answer: httpx.Response) -> dict[str, bytes]:
    assert answer.headers["content-type"] == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}
