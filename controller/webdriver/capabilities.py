"""What Selenium asks of a browser, turned to the one that runs already.

Pure. Two forms of the request are about: W3C's, {"capabilities": {"alwaysMatch", "firstMatch"}}, and that of clients
before Selenium 4, {"desiredCapabilities"}. Whatever they ask, chromedriver must attach and never start a Chrome.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

OPTIONS = "goog:chromeOptions"
OLD_OPTIONS = "chromeOptions"

#: The options that mean something for a Chrome that runs; chromedriver refuses some of the others.
KEPT_OPTIONS = frozenset({"enableExtensionTargets", "perfLoggingPrefs", "windowTypes"})

#: Kinds of proxy that ask for nothing.
NO_PROXY = frozenset({"direct", "system"})


class NotPossible(Exception):
    """What is asked would do harm if it were only left out."""


def attaching(asked: Mapping[str, Any], debugger: str) -> dict[str, Any]:
    """The request for chromedriver, whose session then drives the Chrome at `debugger`. Raises NotPossible."""
    capabilities = asked.get("capabilities")
    if isinstance(capabilities, dict) or "desiredCapabilities" not in asked:
        return {"capabilities": _w3c(capabilities if isinstance(capabilities, dict) else {}, debugger)}
    desired = asked["desiredCapabilities"]
    return {"desiredCapabilities": _attached(desired if isinstance(desired, dict) else {}, debugger)}


def _w3c(capabilities: Mapping[str, Any], debugger: str) -> dict[str, Any]:
    always = capabilities.get("alwaysMatch")
    first = capabilities.get("firstMatch")
    alternatives = [one for one in first if isinstance(one, dict)] if isinstance(first, list) else []
    # An option may stand on one side only, and ours is on the first.
    options: Any = next((one[OPTIONS] for one in alternatives if OPTIONS in one), {})
    merged = {OPTIONS: options, **(always if isinstance(always, dict) else {})}
    return {
        "alwaysMatch": _attached(merged, debugger),
        "firstMatch": [_without_options(one) for one in alternatives] or [{}],
    }


def _attached(capabilities: Mapping[str, Any], debugger: str) -> dict[str, Any]:
    options = capabilities.get(OPTIONS) or capabilities.get(OLD_OPTIONS) or {}
    if not isinstance(options, dict):
        options = {}
    arguments = options.get("args")
    for argument in arguments if isinstance(arguments, list) else ():
        if str(argument).lstrip("-").startswith(("proxy-server", "proxy-pac-url")):
            raise _proxy(f"{OPTIONS}/args")
    kept = {name: value for name, value in options.items() if name in KEPT_OPTIONS}
    return {**_without_options(capabilities), OPTIONS: {**kept, "debuggerAddress": debugger}}


def _without_options(capabilities: Mapping[str, Any]) -> dict[str, Any]:
    proxy = capabilities.get("proxy")
    if isinstance(proxy, dict) and str(proxy.get("proxyType", "direct")).lower() not in NO_PROXY:
        raise _proxy("proxy")
    return {name: value for name, value in capabilities.items() if name not in {OPTIONS, OLD_OPTIONS, "proxy"}}


def _proxy(where: str) -> NotPossible:
    return NotPossible(f"{where}: a session's proxies are chosen when it is created, and were; nothing was started")


def shown(answer: Mapping[str, Any], *, connect_url: str, socket_url: str) -> dict[str, Any]:
    """chromedriver's answer with addresses that a client can reach in place of its own.

    `connect_url` is the session's own, `socket_url` is where WebDriver BiDi's sockets are, without the session's id.
    """
    value = answer.get("value")
    if not isinstance(value, dict):
        return dict(answer)
    inside = value.get("capabilities")
    capabilities = dict(inside if isinstance(inside, dict) else value)
    capabilities[OPTIONS] = {}
    capabilities["se:cdp"] = connect_url
    capabilities["se:cdpVersion"] = str(capabilities.get("browserVersion", capabilities.get("version", "")))
    if "webSocketUrl" in capabilities:
        scheme, _, rest = socket_url.partition("?")
        capabilities["webSocketUrl"] = f"{scheme}/{session_id(answer)}?{rest}"
    return {**answer, "value": {**value, "capabilities": capabilities} if isinstance(inside, dict) else capabilities}


def session_id(answer: Mapping[str, Any]) -> str:
    """The new WebDriver session's; empty where there is none."""
    value = answer.get("value")
    inside = value.get("sessionId") if isinstance(value, dict) else None
    return str(inside or answer.get("sessionId") or "")
