"""The addresses that clients are given, made from a session's record. Nothing of this is stored."""

from __future__ import annotations

from urllib.parse import quote

from wallcrawler.session import Session
from wallcrawler.tokens import Audience, Signer

#: Seconds by which a token outlives its session, so that the session's own ending is what a client sees.
GRACE = 60


class Links:
    """Makes the URLs of connectable sessions; each holds a secret, and is shown to the session's project alone."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer

    def token(self, session: Session, audience: Audience, *, seconds: float | None = None, now: float = 0) -> str:
        """A token for this session: until it times out, or for `seconds` from `now`.

        Without `seconds` it is always the same one, so that a URL that a client holds stays good.
        """
        until = session.ends_at + GRACE
        if seconds is not None:
            until = min(until, now + seconds)
        return self._signer.mint(session.id, audience, issued_at=session.created_at, expires_at=until)

    def signing_key(self, session: Session) -> str:
        return self.token(session, "cdp")

    def connect_url(self, session: Session, token: str | None = None) -> str:
        """The browser-level CDP endpoint, for Playwright's connect_over_cdp and Puppeteer's browserWSEndpoint."""
        return f"ws://{session.address}/?signingKey={token or self.signing_key(session)}"

    def selenium_url(self, session: Session) -> str:
        """Where webdriver.Remote connects; the signing key goes into its `x-bb-signing-key` header."""
        return f"http://{session.address}/webdriver"

    def inspector_url(self, session: Session, page_id: str, token: str) -> str:
        """Chrome's DevTools on one page."""
        socket = quote(f"{session.address}/devtools/page/{page_id}?signingKey={token}", safe="/:")
        return f"http://{session.address}/devtools/inspector.html?ws={socket}"
