"""A gate with its session, its keys and its Chrome, and callers who come to it."""

from __future__ import annotations

import time

from controller.gate import Pass, Policy, Refusal, decide
from wallcrawler.tokens import Audience, Signer, Verifier
from wallcrawler.wire.caller import Head

SIGNER = Signer.generate()
NOW = time.time()

POLICY = Policy(
    "session-1", verifier=Verifier(SIGNER.verify_keys), port=41234, browser_path="/devtools/browser/0f-1e-2d"
)

UPGRADE = (
    ("host", "browsers.example"),
    ("upgrade", "websocket"),
    ("connection", "Upgrade"),
    ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("sec-websocket-version", "13"),
)


def mint(audience: Audience = "cdp", *, session_id: str = "session-1", by: Signer = SIGNER, lasts: float = 600) -> str:
    return by.mint(session_id, audience, issued_at=NOW - 1000, expires_at=NOW + lasts)


CDP, VIEW = mint(), mint("view")


def ask(
    path: str = "/", *, token: str = CDP, method: str = "GET", socket: bool = False, policy: Policy = POLICY
) -> Pass | Refusal:
    """What the gate says to one request, whose token comes in its query."""
    separator = "&" if "?" in path else "?"
    target = f"{path}{separator}signingKey={token}" if token else path
    return decide(Head(method, target, UPGRADE if socket else UPGRADE[:1]), policy)


def passed(answer: Pass | Refusal) -> Pass:
    assert isinstance(answer, Pass), answer
    return answer


def refused(answer: Pass | Refusal) -> tuple[int, str]:
    assert isinstance(answer, Refusal), answer
    return answer.status, answer.message
