"""One trace for each create: from the HTTP request over queue, events and the guest's report to the wake.

The session's record carries the trace, as a W3C `traceparent`: whoever works on a session has read its record, so that
nothing has to travel with jobs, events and reports, which may come from services that know of no traces. Off unless an
OTLP endpoint is set, and then OpenTelemetry is not even imported.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from wallcrawler.errors import SettingsError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter

_provider: TracerProvider | None = None


def configure(*, service: str, endpoint: str | None = None, exporter: SpanExporter | None = None) -> None:
    """Trace from now on, to an OTLP collector (its base URL, HTTP) or to `exporter`; without either nothing happens.

    Raises SettingsError where OpenTelemetry is not installed. Headers, sampling and resource attributes are its own
    settings, OTEL_*.
    """
    global _provider  # noqa: PLW0603 - as logs are, traces are the process's
    if exporter is None and endpoint is None:
        return
    try:
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 - only who traces pays for it
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor  # noqa: PLC0415
    except ImportError:
        raise SettingsError("OTEL_EXPORTER_OTLP_ENDPOINT: traces need `pip install 'wallcrawler[trace]'`") from None

    provider = TracerProvider(resource=Resource.create({"service.name": f"wallcrawler-{service}"}))
    if exporter is not None:
        provider.add_span_processor(SimpleSpanProcessor(exporter))
    else:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

        provider.add_span_processor(
            BatchSpanProcessor(OTLPSpanExporter(f"{endpoint}/v1/traces".replace("//v1", "/v1")))
        )
    _provider = provider


def shut_down() -> None:
    """Send what is still to be sent, and trace no more."""
    global _provider  # noqa: PLW0603
    if _provider is not None:
        _provider.shutdown()
        _provider = None


@contextmanager
def span(name: str, *, parent: str | None = None, **attributes: Any) -> Iterator[None]:
    """What happens inside is a span of this name: below the one around it, else below `parent`, a traceparent."""
    if _provider is None:
        yield
        return
    from opentelemetry.trace import get_current_span  # noqa: PLC0415
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

    inside = get_current_span().get_span_context().is_valid
    above = TraceContextTextMapPropagator().extract({"traceparent": parent}) if parent and not inside else None
    known = {key: value for key, value in attributes.items() if value is not None}
    with _provider.get_tracer("wallcrawler").start_as_current_span(name, context=above, attributes=known):
        yield


def traceparent() -> str | None:
    """The span that is open here, as W3C Trace Context writes it; None where nothing is traced."""
    if _provider is None:
        return None
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get("traceparent")
