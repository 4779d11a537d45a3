"""The addresses that clients are given, made from a session's record. Nothing of this is stored."""

from __future__ import annotations

from urllib.parse import quote

from wallcrawler.session import Session
from wallcrawler.tokens import Audience, Signer

#: Seconds by which a token outlives its session, so that the session's own ending is what a client sees.
GRACE = 60


class Links:
    """Makes the URLs of connectable sessions; each holds a secret, and is shown to the session's project alone.

    They lead to `gateway` (an http or https URL) where there is one, and else to the session's own guest; `inside` is
    the gateway as our own services reach it, where they can't reach guests.
    """

    def __init__(self, signer: Signer, *, gateway: str | None = None, inside: str | None = None) -> None:
        self._signer = signer
        self._gateway = gateway.rstrip("/") if gateway else None
        self._inside = inside.rstrip("/") if inside else None

    def inside(self, session: Session) -> str:
        """Where our own services reach the session's guest."""
        return self._inside or f"http://{session.address}"

    def _web(self, session: Session) -> str:
        return self._gateway or f"http://{session.address}"

    def _socket(self, session: Session) -> str:
        return self._web(session).replace("http", "ws", 1)

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
        return f"{self._socket(session)}/?signingKey={token or self.signing_key(session)}"

    def selenium_url(self, session: Session) -> str:
        """Where webdriver.Remote connects; the signing key goes into its `x-bb-signing-key` header."""
        return f"{self._web(session)}/webdriver"

    def inspector_url(self, session: Session, page_id: str, token: str) -> str:
        """Chrome's DevTools on one page."""
        scheme, _, place = self._socket(session).partition("://")
        socket = quote(f"{place}/devtools/page/{page_id}?signingKey={token}", safe="/:")
        return f"{self._web(session)}/devtools/inspector.html?{scheme}={socket}"

    def live_url(self, session: Session, page_id: str, token: str) -> str:
        """The page that shows one tab, and hands it to whoever may drive it."""
        return f"{self._web(session)}/view/index.html?page={page_id}&signingKey={token}"
