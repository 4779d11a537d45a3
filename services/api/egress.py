"""What a create says of the network: `egress`, `proxies`, `allowedDomains` and `blockAds`; and how a guest is told.

What a session asks for is kept beside its record; the operator's part of it is added when its guest asks, so that
nothing is stored for a session that asks for nothing.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlsplit

from services.api import bodies
from services.api.answers import Refusal
from wallcrawler.egress.addresses import literal, private
from wallcrawler.egress.domains import domain
from wallcrawler.egress.policy import Destination, Policy
from wallcrawler.egress.routes import Rule, Upstream, matcher
from wallcrawler.project import Project
from wallcrawler.settings import Settings
from wallcrawler.wiring import Ports

#: The part of the guest that follows this, by its name in the plan.
PART: Final = "egress"

#: Items of a list, and characters of one of them.
ITEMS: Final = 100
LENGTH: Final = 300

TYPES: Final = ("browserbase", "external", "none")

NO_POOL: Final = "asks for this server's pool of proxies, and it has none: its operator sets WALLCRAWLER_PROXIES"


def plan(wish: bodies.CreateSession, project: Project, ports: Ports) -> Mapping[str, Any]:
    """Raises Refusal."""
    settings, browser = ports.settings, wish.browser_settings
    asked: dict[str, Any] = {}
    if wish.egress is not None:
        asked["egress"] = _egress(wish.egress, settings.egress)
    if rules := _rules(wish.proxies, settings):
        asked["rules"] = [rule.as_wire() for rule in rules]
    if browser.allowed_domains:
        asked["allowedDomains"] = _domains(browser.allowed_domains)
    if browser.block_ads:
        asked["blockAds"] = True
    return {PART: asked} if asked else {}


def completed(plan: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    """A session's plan with what the operator's settings say of its egress."""
    asked = dict(plan.get(PART, {}))
    wanted = asked.pop("egress", {})
    policy = settings.egress
    # What a session that closes private ranges allows in them is still no more than its operator does.
    policy = replace(
        policy,
        private=wanted.get("private", policy.private),
        own=_own(settings),
        allow=tuple(map(Destination.parse, wanted.get("allow", ()))),
        deny=tuple(map(Destination.parse, wanted.get("deny", ()))),
    )
    direct = settings.mode != "embedded" and settings.gateway_url is None
    return {**plan, PART: {**asked, "policy": policy.as_wire(), "direct": direct}}


def _own(settings: Settings) -> tuple[Destination, ...]:
    """Where connect URLs lead: the gateway, or on one machine its own host and the guest's port."""
    if settings.gateway_url is not None:
        gateway = urlsplit(settings.gateway_url)
        port = gateway.port or (443 if gateway.scheme == "https" else 80)
        return (replace(Destination.parse(gateway.hostname or ""), port=port),)
    return (Destination.parse(settings.reachable_host),) if settings.mode == "embedded" else ()


def _egress(wanted: bodies.EgressRules, policy: Policy) -> dict[str, Any]:
    """Raises Refusal for what can't be read, and for what the operator does not leave to sessions."""
    allow = _destinations("body/egress/allow", wanted.allow)
    deny = _destinations("body/egress/deny", wanted.deny)
    if wanted.allow_private and not (policy.private or policy.widens):
        raise Refusal(400, f"body/egress/allowPrivate {_CLOSED}")
    for number, rule in enumerate(allow):
        address = literal(rule.host)
        if address and private(address) and not policy.widens and policy.refusal(rule.host, rule.port or 0, address):
            raise Refusal(400, f"body/egress/allow/{number} {_CLOSED}")
    asked: dict[str, Any] = {"allow": [str(rule) for rule in allow], "deny": [str(rule) for rule in deny]}
    return asked if wanted.allow_private is None else asked | {"private": wanted.allow_private}


_CLOSED: Final = "must not open private ranges: this server's WALLCRAWLER_EGRESS_WIDEN does not leave that to sessions"


def _destinations(field: str, texts: list[str]) -> list[Destination]:
    return [_read(f"{field}/{number}", Destination.parse, text) for number, text in _counted(field, texts)]


def _domains(texts: list[str]) -> list[str]:
    field = "body/browserSettings/allowedDomains"
    return [_read(f"{field}/{number}", domain, text) for number, text in _counted(field, texts)]


def _counted(field: str, items: list[Any]) -> list[tuple[int, Any]]:
    if len(items) > ITEMS:
        raise Refusal(400, f"{field} must NOT have more than {ITEMS} items")
    return list(enumerate(items))


def _read(field: str, parse: Any, text: Any) -> Any:
    """What `parse` makes of it; its ValueError is a phrase."""
    if not isinstance(text, str):
        raise Refusal(400, f"{field} must be string")
    if len(text) > LENGTH:
        raise Refusal(400, f"{field} must NOT have more than {LENGTH} characters")
    try:
        return parse(text)
    except ValueError as wrong:
        raise Refusal(400, f"{field} is not valid: {wrong}") from None


def _rules(proxies: bool | list[dict[str, Any]], settings: Settings) -> list[Rule]:
    if not proxies:
        return []
    if proxies is True:
        return [Rule(None, _of_pool("body/proxies", settings))]
    return [_rule(f"body/proxies/{number}", item, settings) for number, item in _counted("body/proxies", proxies)]


def _rule(field: str, item: dict[str, Any], settings: Settings) -> Rule:
    given = {name: value for name, value in item.items() if value is not None}
    kind = given.get("type")
    if kind not in TYPES:
        raise Refusal(400, f"{field}/type must be equal to one of the allowed values: {', '.join(TYPES)}")
    pattern = given.get("domainPattern")
    if pattern is not None:
        _read(f"{field}/domainPattern", matcher, pattern)
    if kind == "none":
        return Rule(pattern, None)
    if kind == "browserbase":
        _check_geolocation(f"{field}/geolocation", given.get("geolocation"))
        return Rule(pattern, _of_pool(field, settings))
    return Rule(pattern, _external(field, given))


def _of_pool(field: str, settings: Settings) -> Upstream:
    """One of the operator's proxies, for all of the session."""
    pool = settings.proxy_pool
    if not pool:
        raise Refusal(400, f"{field} {NO_POOL}")
    return secrets.choice(pool)


def _external(field: str, given: Mapping[str, Any]) -> Upstream:
    if "server" not in given:
        raise Refusal(400, f"{field} must have required property 'server'")
    words = {name: given.get(name, "") for name in ("server", "username", "password")}
    for name, word in words.items():
        if not isinstance(word, str):
            raise Refusal(400, f"{field}/{name} must be string")
        if len(word) > LENGTH:
            raise Refusal(400, f"{field}/{name} must NOT have more than {LENGTH} characters")
    try:
        return Upstream.parse(words["server"], username=words["username"], password=words["password"])
    except ValueError as wrong:
        raise Refusal(400, f"{field}/server {wrong}") from None


#: The shape of each of geolocation's fields, as Browserbase describes it.
_PLACES: Final = {
    "country": (re.compile(r"[A-Za-z]{2}"), "must be a country's code of 2 letters"),
    "state": (re.compile(r"[A-Za-z]{2}"), "must be a state's code of 2 letters"),
    "city": (re.compile(r".{1,100}"), "must be a string of 1 to 100 characters"),
}


def _check_geolocation(field: str, place: Any) -> None:
    """It is checked, and left to the pool: which country its proxies are in is its operator's choice."""
    if place is None:
        return
    if not isinstance(place, dict):
        raise Refusal(400, f"{field} must be object")
    if place.get("country") is None:
        raise Refusal(400, f"{field} must have required property 'country'")
    for name, (shape, phrase) in _PLACES.items():
        value = place.get(name)
        if value is not None and not (isinstance(value, str) and shape.fullmatch(value)):
            raise Refusal(400, f"{field}/{name} {phrase}")
