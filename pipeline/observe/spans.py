"""Spans by OpenTelemetry, for `tracing` alone when it is on.

A bounded queue exports spans in the background. When the collector is away or slow, spans are
dropped, and nothing waits for it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Thread
from typing import Final, Literal
from uuid import UUID

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio
from opentelemetry.trace import Link, Span, SpanKind, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

Kind = Literal["internal", "server", "client", "producer", "consumer"]
Value = str | int | float | bytes  # bytes: an id of 16 bytes

_PARENT: Final = "traceparent"
_QUEUE: Final = 4_096  # spans that wait for the collector, at most
_BATCH: Final = 512
_EVERY_MS: Final = 1_000
_EXPORT_SECONDS: Final = 5.0
_STOP_SECONDS: Final = 2.0
_MESSAGING: Final[Mapping[Kind, Mapping[str, Value]]] = {
    "producer": {"messaging.system": "rabbitmq", "messaging.operation.type": "send"},
    "consumer": {"messaging.system": "rabbitmq", "messaging.operation.type": "process"},
}

_propagator: Final = TraceContextTextMapPropagator()


def make_exporter(url: str) -> SpanProcessor:
    """A processor that sends spans to the OTLP/HTTP endpoint `url`."""
    logging.getLogger("opentelemetry").setLevel(
        logging.ERROR
    )  # it logs one line for each lost batch
    return BatchSpanProcessor(
        OTLPSpanExporter(endpoint=url, timeout=_EXPORT_SECONDS),
        max_queue_size=_QUEUE,
        max_export_batch_size=_BATCH,
        schedule_delay_millis=_EVERY_MS,
    )


class Spans:
    """The spans of one process; `share` of the traces that begin in it are recorded."""

    def __init__(self, processor: SpanProcessor, service: str, share: float) -> None:
        self._provider = TracerProvider(
            ParentBasedTraceIdRatio(share),
            Resource.create({"service.name": service}),
            shutdown_on_exit=False,
        )
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("spendline")

    @contextmanager
    def open_span(
        self,
        name: str,
        kind: Kind,
        after: Mapping[str, str] | None,
        among: Sequence[Span],
        attributes: Mapping[str, Value],
    ) -> Iterator[None]:
        """Open a span; the arguments are those of `tracing.open_span`."""
        context = None if after is None else _extract_context(after)
        others: list[Span] = []
        if among:
            context, others = _find_parent(among)
        with self._tracer.start_as_current_span(
            name,
            context,
            SpanKind[kind.upper()],
            _convert_attributes({**_MESSAGING.get(kind, {}), **attributes}),
            [Link(other.get_span_context()) for other in others],
            record_exception=False,  # the message of an error may quote a row
            set_status_on_exception=False,
        ) as span:
            for other in others:
                other.add_link(span.get_span_context())
            try:
                yield
            except BaseException as error:
                self.add_attributes({"error.type": type(error).__name__})
                raise

    def add_attributes(self, attributes: Mapping[str, Value]) -> None:
        span = self.get_span()
        span.set_attributes(_convert_attributes(attributes))
        if "error.type" in attributes:
            span.set_status(StatusCode.ERROR)

    def get_span(self) -> Span:
        return trace.get_current_span()

    def make_carrier(self) -> dict[str, str]:
        headers: dict[str, str] = {}
        _propagator.inject(headers)
        return {_PARENT: headers[_PARENT]} if headers else {}

    def stop(self, seconds: float = _STOP_SECONDS) -> None:
        """Send waiting spans; those that the collector has not taken after `seconds` are lost."""
        flush = Thread(target=self._provider.shutdown, name="last spans", daemon=True)
        flush.start()
        flush.join(seconds)


def _extract_context(carrier: Mapping[str, str]) -> Context:
    """The context that headers name, without `tracestate`, which callers could fill with anything."""
    return _propagator.extract({_PARENT: carrier.get(_PARENT, "")}, Context())


def _find_parent(spans: Sequence[Span]) -> tuple[Context, list[Span]]:
    """The context of the first sampled span, else of the first, and the other sampled spans."""
    sampled = [span for span in dict.fromkeys(spans) if span.get_span_context().trace_flags.sampled]
    first = sampled[0] if sampled else spans[0]
    return trace.set_span_in_context(first, Context()), sampled[1:]


def _convert_attributes(attributes: Mapping[str, Value]) -> dict[str, str | int | float]:
    return {
        name if "." in name else f"spendline.{name}": (
            str(UUID(bytes=value)) if isinstance(value, bytes) else value
        )
        for name, value in attributes.items()
    }
