"""Traces follow a push from its POST to the event that makes it visible.

Tracing is off, and OpenTelemetry not imported, unless the settings name a collector. A message
carries rows of many requests. Its publishing span is below the first sampled request and linked
with the others both ways; the spans of workers are below the publishing span. No span holds an id
of a user, a description, an amount or a token, and of an error only its kind.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Final

from pipeline.errors import InvalidSettings
from pipeline.settings import Settings

if TYPE_CHECKING:  # OpenTelemetry is not imported while tracing is off
    from pipeline.observe.spans import Kind, Spans, Value

_NOTHING: Final = nullcontext()
_spans: Spans | None = None


@contextmanager
def export_spans(settings: Settings, service: str) -> Iterator[None]:
    """Send the spans of this block to the collector that the settings name, if any.

    Raises InvalidSettings when OpenTelemetry is not installed.
    """
    if not settings.traces_url:
        yield
        return
    try:
        from pipeline.observe.spans import Spans, make_exporter  # noqa: PLC0415 - see above
    except ImportError as error:
        raise InvalidSettings(
            f"SPENDLINE_TRACES_URL needs OpenTelemetry ({error}): pip install 'spendline[traces]'"
        ) from None
    with record_spans(Spans(make_exporter(settings.traces_url), service, settings.traces_share)):
        yield


@contextmanager
def record_spans(spans: Spans) -> Iterator[None]:
    """Record the spans of all threads in this block, and send them at its end."""
    global _spans  # noqa: PLW0603 - one a process
    _spans = spans
    try:
        yield
    finally:
        _spans = None
        spans.stop()


def open_span(
    name: str,
    kind: Kind = "internal",
    *,
    after: Mapping[str, str] | None = None,
    among: Sequence[Any] = (),
    **attributes: Value,
) -> AbstractContextManager[None]:
    """Open a span below the current one, or below another one.

    `after` is the headers or the `trace` of a message, which may name the parent. `among` are spans
    from `get_span`: the first sampled one is the parent. Attributes without a dot get our prefix.
    """
    if _spans is None:
        return _NOTHING
    return _spans.open_span(name, kind, after, among, attributes)


def add_attributes(**attributes: Value) -> None:
    """Add attributes to the current span; an `error.type` makes it a failed one."""
    if _spans is not None:
        _spans.add_attributes(attributes)


def get_span() -> Any:
    """The current span, for `among`."""
    return None if _spans is None else _spans.get_span()


def make_carrier() -> dict[str, str]:
    """A header that names the current span in another process: `traceparent`, or nothing."""
    return {} if _spans is None else _spans.make_carrier()
