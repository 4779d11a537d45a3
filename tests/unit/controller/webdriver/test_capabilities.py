"""What Selenium asks of a browser, and what chromedriver is told: to attach, whatever is asked."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.webdriver.capabilities import OPTIONS, NotPossible, attaching, session_id, shown

DEBUGGER = "127.0.0.1:9"
ATTACHED = {"debuggerAddress": DEBUGGER}


def always(asked: dict[str, Any]) -> dict[str, Any]:
    return dict(attaching(asked, DEBUGGER)["capabilities"]["alwaysMatch"])


def test_what_selenium_4_sends() -> None:
    """Its options turn into the address of the session's Chrome; what is no option stays."""
    options = {"args": ["--headless=new"], "binary": "/x", "extensions": ["UEsD"], "prefs": {}, "detach": True}
    asked = {
        "capabilities": {
            "alwaysMatch": {"browserName": "chrome", "pageLoadStrategy": "eager", OPTIONS: options},
            "firstMatch": [{}],
        }
    }

    assert attaching(asked, DEBUGGER) == {
        "capabilities": {
            "alwaysMatch": {"browserName": "chrome", "pageLoadStrategy": "eager", OPTIONS: ATTACHED},
            "firstMatch": [{}],
        }
    }


def test_what_clients_before_selenium_4_send() -> None:
    """Under the option's old name as well."""
    asked = {"desiredCapabilities": {"browserName": "chrome", "chromeOptions": {"args": ["--a"]}}}

    assert attaching(asked, DEBUGGER) == {"desiredCapabilities": {"browserName": "chrome", OPTIONS: ATTACHED}}


def test_of_both_forms_the_standard_counts() -> None:
    """Clients that send both leave the choice to the server."""
    asked = {"capabilities": {"firstMatch": [{"browserName": "chrome"}]}, "desiredCapabilities": {"x": 1}}

    assert attaching(asked, DEBUGGER).keys() == {"capabilities"}


def test_options_of_an_alternative_count_where_there_are_no_others() -> None:
    """And none may stand on both sides."""
    asked = {"capabilities": {"firstMatch": [{"browserName": "chrome", OPTIONS: {"windowTypes": ["webview"]}}]}}

    told = attaching(asked, DEBUGGER)["capabilities"]

    assert told["alwaysMatch"] == {OPTIONS: {"windowTypes": ["webview"], **ATTACHED}}
    assert told["firstMatch"] == [{"browserName": "chrome"}]


def test_options_that_a_running_chrome_can_follow_stay() -> None:
    """What performance logs hold, and which kinds of window there are."""
    options = {"perfLoggingPrefs": {"enableNetwork": True}, "windowTypes": ["tab"], "mobileEmulation": {"a": 1}}

    told = always({"capabilities": {"alwaysMatch": {OPTIONS: options}}})

    assert told[OPTIONS] == {"perfLoggingPrefs": {"enableNetwork": True}, "windowTypes": ["tab"], **ATTACHED}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["capabilities", "alwaysMatch", "firstMatch", "desiredCapabilities", OPTIONS, "chromeOptions", "args"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(asked=st.dictionaries(st.sampled_from(["capabilities", "desiredCapabilities", "x"]), JSON))
def test_whatever_is_asked_chromedriver_attaches(asked: dict[str, Any]) -> None:
    """It never gets the chance to start a Chrome of its own, outside of the session."""
    told = attaching(asked, DEBUGGER)

    places = [told["desiredCapabilities"]] if "desiredCapabilities" in told else [told["capabilities"]["alwaysMatch"]]
    assert [place[OPTIONS]["debuggerAddress"] for place in places] == [DEBUGGER]
    for alternative in told.get("capabilities", {}).get("firstMatch", []):
        assert OPTIONS not in alternative


@pytest.mark.parametrize(
    "capabilities",
    [
        {"proxy": {"proxyType": "manual", "httpProxy": "proxy.example:1"}},
        {"proxy": {"proxyType": "PAC", "proxyAutoconfigUrl": "http://x"}},
        {OPTIONS: {"args": ["--proxy-server=http://proxy.example:1"]}},
        {OPTIONS: {"args": ["proxy-pac-url=http://x"]}},
    ],
)
def test_a_proxy_is_refused_and_not_left_out(capabilities: dict[str, Any]) -> None:
    """On either side, and in the old form."""
    for asked in (
        {"capabilities": {"alwaysMatch": capabilities}},
        {"capabilities": {"firstMatch": [capabilities]}},
        {"desiredCapabilities": capabilities},
    ):
        with pytest.raises(NotPossible, match="proxies are chosen when it is created"):
            attaching(asked, DEBUGGER)


@pytest.mark.parametrize("proxy", [{}, {"proxyType": "direct"}, {"proxyType": "SYSTEM"}, None])
def test_no_proxy_is_no_wish(proxy: Any) -> None:
    """Some clients send what they did not set."""
    assert always({"capabilities": {"alwaysMatch": {"proxy": proxy}}}) == {OPTIONS: ATTACHED}


CONNECT, SOCKETS = "ws://here/?signingKey=T", "ws://here/webdriver/session?signingKey=T"


def test_the_answer_leads_clients_to_us() -> None:
    """Neither Chrome's port nor chromedriver's is in it."""
    told = {
        "value": {
            "capabilities": {
                "browserVersion": "156.0",
                OPTIONS: ATTACHED,
                "webSocketUrl": "ws://127.0.0.1:8/session/abc",
            },
            "sessionId": "abc",
        }
    }

    answer = shown(told, connect_url=CONNECT, socket_url=SOCKETS)

    assert session_id(told) == "abc"
    assert answer == {
        "value": {
            "capabilities": {
                "browserVersion": "156.0",
                OPTIONS: {},
                "se:cdp": CONNECT,
                "se:cdpVersion": "156.0",
                "webSocketUrl": "ws://here/webdriver/session/abc?signingKey=T",
            },
            "sessionId": "abc",
        }
    }


def test_the_answer_to_an_old_client() -> None:
    """Its capabilities are the value itself."""
    told = {"sessionId": "abc", "status": 0, "value": {"version": "156.0", OPTIONS: ATTACHED}}

    answer = shown(told, connect_url=CONNECT, socket_url=SOCKETS)

    assert session_id(told) == "abc"
    assert answer["value"] == {"version": "156.0", OPTIONS: {}, "se:cdp": CONNECT, "se:cdpVersion": "156.0"}


@pytest.mark.parametrize("told", [{}, {"value": None}, {"value": {"error": "x"}}, {"value": "x"}])
def test_an_answer_without_a_session(told: dict[str, Any]) -> None:
    """It has no id."""
    assert session_id(told) == ""
