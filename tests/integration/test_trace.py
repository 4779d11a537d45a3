"""One trace for each create, over every process that has a part in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.eventually import eventually
from tests.integration.guests import ScriptedFleet
from tests.platform import Platform
from wallcrawler import trace

pytestmark = pytest.mark.queue


@pytest.fixture
def spans() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    trace.configure(service="test", exporter=exporter)
    yield exporter
    trace.shut_down()


def test_a_create_is_one_trace_from_the_request_to_the_wake(
    spans: InMemorySpanExporter, start: Callable[..., Platform], fleet: ScriptedFleet
) -> None:
    """Every hop is in it, below the create, also what came over the queue, the feed and the guest's own report."""
    platform = start()
    session = platform.create()
    eventually(lambda: "notify" in {span.name for span in spans.get_finished_spans()})

    ours = [span for span in spans.get_finished_spans() if (span.attributes or {}).get("session_id") == session["id"]]
    (root,) = [span for span in ours if span.name == "create"]
    one = [span for span in spans.get_finished_spans() if span.context.trace_id == root.context.trace_id]
    names = [span.name for span in one]
    assert {"create", "store", "wait", "fleet.run", "guest.report", "advance", "notify"} <= set(names)
    happened = {str((span.attributes or {}).get("happened")) for span in one if span.name == "advance"}
    assert {"LOCATED", "BROWSER_UP"} <= happened
    assert root.parent is None
    assert all(span.parent is not None for span in one if span is not root)
    written = " ".join(f"{span.name} {dict(span.attributes or {})}" for span in one)
    assert session["signingKey"] not in written
    assert platform.api_key not in written


def test_nothing_is_traced_unless_asked_for(platform: Platform) -> None:
    """And the record carries no trace."""
    session = platform.create()

    assert platform.ports.sessions.get(session["id"]).traceparent is None
