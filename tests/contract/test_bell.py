"""Bell: on a real server, which is also killed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest
import redis

from tests.contract import engines
from tests.eventually import eventually
from wallcrawler.bell import RedisBell
from wallcrawler.errors import TryLater
from wallcrawler.local.valkey import Valkey
from wallcrawler.ports import Ringing

Name = Callable[[str], str]

#: Seconds in which a ring is heard; it takes about 0.0005.
HEARD = 5.0
#: Seconds of silence that are enough to say that nobody rang.
SILENCE = 0.15


@pytest.fixture
def bells() -> Iterator[Callable[..., RedisBell]]:
    """Makes bells, each as in a process of its own."""
    with ExitStack() as made:

        def make(url: str, **how: str) -> RedisBell:
            bell = RedisBell(url, **how)
            made.callback(close_quietly, bell)
            return bell

        yield make


def close_quietly(bell: RedisBell) -> None:
    """At the end of a test, which may have closed it already."""
    with suppress(OSError):
        bell.close()


@pytest.fixture
def bell(valkey: Valkey, bells: Callable[..., RedisBell], name: Name) -> Iterator[RedisBell]:
    """One whose connection is there: a first one wakes everybody once."""
    bell = bells(valkey.url)
    with bell.listen(name("somebody else")) as ringing:
        settle(ringing)
        yield bell


def settle(*ringings: Ringing) -> None:
    """Take whatever wakes are under way."""
    first, *others = ringings
    while first.wait(SILENCE):
        pass
    for ringing in others:
        ringing.wait(0)


# -- 1. A ring after listen wakes -------------------------------------------------------------------------------------


def test_a_ring_wakes_who_listens_in_another_process(
    bell: RedisBell, bells: Callable[..., RedisBell], valkey: Valkey, name: Name
) -> None:
    """And only while he does not know of it yet."""
    with bell.listen(name("s")) as ringing:
        bells(valkey.url).ring(name("s"))

        assert ringing.wait(HEARD)
        assert not ringing.wait(SILENCE)


def test_a_ring_before_the_wait_is_remembered(bell: RedisBell, name: Name) -> None:
    """Between listening and waiting the caller enqueues its job."""
    with bell.listen(name("s")) as ringing:
        bell.ring(name("s"))
        with bell.listen(name("another")) as another:
            bell.ring(name("another"))
            assert another.wait(HEARD)

        assert ringing.wait(HEARD)


def test_a_ring_before_listen_is_not_remembered(bell: RedisBell, name: Name) -> None:
    """Who begins to listen looks at the record afterwards, and needs no news of before."""
    bell.ring(name("s"))

    with bell.listen(name("s")) as ringing:
        assert not ringing.wait(SILENCE)


def test_everybody_who_listens_for_a_session_is_woken_and_nobody_else(bell: RedisBell, name: Name) -> None:
    """A create and a release of one session may wait at once."""
    with bell.listen(name("s")) as one, bell.listen(name("s")) as other, bell.listen(name("t")) as third:
        bell.ring(name("s"))

        assert one.wait(HEARD)
        assert other.wait(HEARD)
        assert not third.wait(SILENCE)


def test_who_leaves_does_not_take_the_others_along(bell: RedisBell, name: Name) -> None:
    """The last one who waits for a session is still told."""
    with bell.listen(name("s")) as stays:
        for _ in range(3):
            with bell.listen(name("s")):
                pass
        bell.ring(name("s"))

        assert stays.wait(HEARD)


def test_who_comes_back_is_told_again(bell: RedisBell, name: Name) -> None:
    """Leaving and listening in quick succession never leaves somebody deaf."""
    for _ in range(50):
        with bell.listen(name("s")) as ringing:
            bell.ring(name("s"))
            assert ringing.wait(HEARD)


def test_many_rings_are_one_wake_at_least(bell: RedisBell, name: Name) -> None:
    """A wake is a hint: how many there were does not matter."""
    with bell.listen(name("s")) as ringing:
        for _ in range(20):
            bell.ring(name("s"))

        assert ringing.wait(HEARD)


def test_two_hundred_wait_on_one_connection(bell: RedisBell, valkey: Valkey, name: Name) -> None:
    """Each for his own session, and each is woken by his own ring."""
    with redis.Redis.from_url(valkey.url) as client, ExitStack() as listening:
        before = len(client.client_list(_type="pubsub"))
        waiting = [listening.enter_context(bell.listen(name(f"s{number}"))) for number in range(200)]
        connections = len(client.client_list(_type="pubsub"))

        for number in range(0, 200, 2):
            bell.ring(name(f"s{number}"))

        assert connections == before
        assert all(ringing.wait(HEARD) for ringing in waiting[::2])
        assert not any(ringing.wait(0) for ringing in waiting[1::2])


def test_who_has_left_costs_the_server_nothing(bell: RedisBell, valkey: Valkey, name: Name) -> None:
    """No subscription is left behind."""
    with redis.Redis.from_url(valkey.url) as client:
        with bell.listen(name("s")):
            assert client.pubsub_channels(f"*{name('s')}") != []

        eventually(lambda: client.pubsub_channels(f"*{name('s')}") == [])


# -- 2. A lost connection ---------------------------------------------------------------------------------------------


@pytest.fixture
def mortal() -> Iterator[Valkey]:
    """A server for a test that kills it; it is started again by itself, at the same address."""
    server = engines.valkey()
    yield server
    server.close()


def kill(server: Valkey) -> None:
    pid = server.pid
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: server.pid != pid)


def test_everybody_is_woken_when_the_server_is_back(
    mortal: Valkey, bells: Callable[..., RedisBell], name: Name
) -> None:
    """What was rung meanwhile is lost; everybody looks for himself, and the next ring is heard again."""
    bell, other = bells(mortal.url), bells(mortal.url)
    with ExitStack() as listening:
        waiting = [listening.enter_context(bell.listen(name(f"s{number}"))) for number in range(20)]
        settle(*waiting)

        kill(mortal)

        assert all(ringing.wait(HEARD) for ringing in waiting)
        settle(*waiting)
        eventually(lambda: rings(other, name("s7")))
        assert waiting[7].wait(HEARD)
        assert not waiting[8].wait(SILENCE)


def rings(bell: RedisBell, session_id: str) -> bool:
    try:
        bell.ring(session_id)
    except TryLater:
        return False
    return True


def test_who_begins_to_listen_without_a_server_is_told_when_it_is_back(
    mortal: Valkey, bells: Callable[..., RedisBell], name: Name
) -> None:
    """The connection that he never had counts as a lost one."""
    bell = bells(mortal.url)
    with bell.listen(name("before")) as before:
        settle(before)
        kill(mortal)
        with bell.listen(name("s")) as ringing:
            assert ringing.wait(HEARD)


# -- 3. Nothing but the id --------------------------------------------------------------------------------------------


def test_a_ring_carries_nothing(bell: RedisBell, valkey: Valkey, name: Name) -> None:
    """Whoever can read the channel learns which session has changed, and no word more."""
    with redis.Redis.from_url(valkey.url) as client:
        eavesdropper: Any = client.pubsub()
        eavesdropper.psubscribe("*")
        assert eavesdropper.get_message(timeout=HEARD) is not None

        bell.ring(name("s"))

        message = eavesdropper.get_message(timeout=HEARD)
    assert message is not None
    assert (message["channel"].decode(), message["data"]) == (f"session:{name('s')}", b"")


def test_deployments_on_one_server_do_not_hear_each_other(
    valkey: Valkey, bells: Callable[..., RedisBell], name: Name
) -> None:
    """Each has a namespace of its own."""
    here, there = bells(valkey.url, namespace=name("here")), bells(valkey.url, namespace=name("there"))
    with here.listen("s") as ringing:
        settle(ringing)

        there.ring("s")
        assert not ringing.wait(SILENCE)
        here.ring("s")
        assert ringing.wait(HEARD)


# -- Without a server -------------------------------------------------------------------------------------------------


def test_without_a_server_nobody_can_ring(bells: Callable[..., RedisBell], nowhere: str) -> None:
    """TryLater, and the password is not in its text."""
    bell = bells(nowhere)

    acts: tuple[Callable[[], None], ...] = (lambda: bell.ring("s"), bell.ping)
    for act in acts:
        with pytest.raises(TryLater) as later:
            act()
        assert later.value.after > 0
        assert "hunter2" not in str(later.value)


def test_without_a_server_who_listens_waits_in_vain(bells: Callable[..., RedisBell], nowhere: str) -> None:
    """It never raises: the caller re-reads."""
    with bells(nowhere).listen("s") as ringing:
        assert not ringing.wait(SILENCE)


def test_a_server_that_is_there_answers(bell: RedisBell) -> None:
    """Without complaint."""
    bell.ping()


def test_who_still_listens_when_the_bell_is_closed_leaves_in_peace(
    bells: Callable[..., RedisBell], valkey: Valkey, name: Name
) -> None:
    """A process ends while its callers wait: listening never raises, and nothing is written where the bell was."""
    bell = bells(valkey.url)

    with bell.listen(name("s")) as ringing:
        bell.close()
        reused = os.pipe2(os.O_NONBLOCK), os.pipe2(os.O_NONBLOCK)
        ringing.wait(0)

    for reader, writer in reused:
        with pytest.raises(BlockingIOError):
            os.read(reader, 1)
        os.close(reader)
        os.close(writer)
