"""Every method of the Python SDK's served resources, as one call each, for its sync and its async client alike."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from browserbase import Browserbase

from tests.authority import issue
from tests.zips import extension

#: Resources of the SDK that Wallcrawler serves.
SERVED = ("sessions", "contexts", "extensions", "projects", "certificates", "fetch_api")

#: What is served with 422, because no session is recorded.
UNRECORDED = frozenset({"sessions.recording.downloads.create", "sessions.recording.downloads.list"})

#: What is a 404, because there is no replay of any page.
UNREPLAYED = frozenset({"sessions.replays.retrieve_page"})


@dataclass(frozen=True, slots=True)
class World:
    """Ids of what is there before a call."""

    project: str
    #: A session that runs, and one that has ended.
    running: str
    ended: str
    #: One of its own for each call, because some calls end them.
    another_running: Callable[[], str]
    another_context: Callable[[], str]
    another_extension: Callable[[], str]
    another_certificate: Callable[[], str]
    page: str


Call = Callable[[Any, World], Any]

CALLS: dict[str, Call] = {
    "sessions.create": lambda client, world: client.sessions.create(
        project_id=world.project,
        api_timeout=120,
        keep_alive=False,
        region="us-east-1",
        user_metadata={"suite": {"name": "conformance"}},
        proxies=[{"type": "none", "domain_pattern": "*.example.com"}],
        proxy_settings={"ca_certificates": [world.another_certificate()]},
        browser_settings={
            "context": {"id": world.another_context(), "persist": True},
            "extension_id": world.another_extension(),
            "viewport": {"width": 800, "height": 600},
            "block_ads": True,
            "record_session": True,
            "log_session": True,
            "solve_captchas": True,
            "allowed_domains": ["example.com"],
            "os": "linux",
            "ignore_certificate_errors": True,
        },
    ),
    "sessions.retrieve": lambda client, world: client.sessions.retrieve(world.running),
    "sessions.update": lambda client, world: client.sessions.update(
        world.another_running(), status="REQUEST_RELEASE", project_id=world.project
    ),
    "sessions.list": lambda client, world: client.sessions.list(status="RUNNING", q="user_metadata['a']:'b'"),
    "sessions.debug": lambda client, world: client.sessions.debug(world.running, expires_in=60),
    "sessions.uploads.create": lambda client, world: client.sessions.uploads.create(
        world.running, file=("a file.txt", b"Example data")
    ),
    "sessions.downloads.list": lambda client, world: client.sessions.downloads.list(world.ended),
    "sessions.logs.list": lambda client, world: client.sessions.logs.list(world.running),
    "sessions.recording.retrieve": lambda client, world: client.sessions.recording.retrieve(world.ended),
    "sessions.recording.downloads.create": lambda client, world: client.sessions.recording.downloads.create(
        world.ended
    ),
    "sessions.recording.downloads.list": lambda client, world: client.sessions.recording.downloads.list(world.ended),
    "sessions.replays.retrieve": lambda client, world: client.sessions.replays.retrieve(world.ended),
    "sessions.replays.retrieve_page": lambda client, world: client.sessions.replays.retrieve_page("0", id=world.ended),
    "contexts.create": lambda client, world: client.contexts.create(project_id=world.project),
    "contexts.retrieve": lambda client, world: client.contexts.retrieve(world.another_context()),
    "contexts.update": lambda client, world: client.contexts.update(world.another_context()),
    "contexts.delete": lambda client, world: client.contexts.delete(world.another_context()),
    "extensions.create": lambda client, world: client.extensions.create(file=("marker.zip", extension())),
    "extensions.retrieve": lambda client, world: client.extensions.retrieve(world.another_extension()),
    "extensions.delete": lambda client, world: client.extensions.delete(world.another_extension()),
    "projects.list": lambda client, world: client.projects.list(),
    "projects.retrieve": lambda client, world: client.projects.retrieve(world.project),
    "projects.usage": lambda client, world: client.projects.usage(world.project),
    "certificates.create": lambda client, world: client.certificates.create(file=("ca.pem", issue("a").pem)),
    "certificates.retrieve": lambda client, world: client.certificates.retrieve(world.another_certificate()),
    "certificates.list": lambda client, world: client.certificates.list(),
    "certificates.delete": lambda client, world: client.certificates.delete(world.another_certificate()),
    "fetch_api.create": lambda client, world: client.fetch_api.create(url=world.page, format="markdown"),
}


def methods(client: Browserbase) -> Iterator[str]:
    """The names of all methods of the served resources, as the SDK has them."""
    for name in SERVED:
        yield from _methods(getattr(client, name), name)


def _methods(resource: Any, path: str) -> Iterator[str]:
    for name in dir(resource):
        if name.startswith(("_", "with_")):
            continue
        member = getattr(resource, name)
        if inspect.ismethod(member):
            yield f"{path}.{name}"
        elif type(member).__name__.endswith("Resource"):
            yield from _methods(member, f"{path}.{name}")
