"""Drive one session with the Browserbase SDK and Playwright.

pip install browserbase playwright

Needs BROWSERBASE_BASE_URL and BROWSERBASE_API_KEY in the environment; the SDK reads both by itself.
"""

from browserbase import Browserbase
from playwright.sync_api import sync_playwright


def main() -> None:
    bb = Browserbase()
    session = bb.sessions.create(user_metadata={"example": "python_playwright"})
    print("session", session.id, "is", session.status)

    with sync_playwright() as playwright:
        browser = playwright.chromium.connect_over_cdp(session.connect_url)
        # A session comes with one context and one page, at about:blank.
        page = browser.contexts[0].pages[0]
        page.goto("data:text/html,<title>Hello</title><button onclick=\"document.title='Clicked'\">Click</button>")
        page.click("button")
        print("the page's title is", page.title())
        browser.close()

    # The last client has left. The session would end by itself now; to ask for it is to know when it is over.
    ended = bb.sessions.update(session.id, status="REQUEST_RELEASE")
    print("session", ended.id, "is", ended.status, f"({ended.to_dict()['endedReason']})")


if __name__ == "__main__":
    main()
