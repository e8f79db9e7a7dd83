"""Traces: the way of a push from its POST to the event that makes it visible, as spans.

Off unless the settings name a collector; only then is OpenTelemetry imported. A message carries
rows of many posts: the span that publishes it is below the post that is sampled first and linked
with the others, both ways, and whatever workers do with the message is below that span. No span
holds an id of a user, a description, an amount or a token, and errors are told by their kind.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any, Final

from pipeline.errors import InvalidSettings
from pipeline.settings import Settings

if TYPE_CHECKING:  # what is off is not imported
    from pipeline.observe.spans import Kind, Spans, Value

_NOTHING: Final = nullcontext()
_spans: Spans | None = None


@contextmanager
def exporting(settings: Settings, service: str) -> Iterator[None]:
    """Send the spans of this block to the collector of the settings, if they name one.

    Raises InvalidSettings when OpenTelemetry is not installed.
    """
    if not settings.traces_url:
        yield
        return
    try:
        from pipeline.observe.spans import Spans, exporter  # noqa: PLC0415 - see above
    except ImportError as error:
        raise InvalidSettings(
            f"SPENDLINE_TRACES_URL needs OpenTelemetry ({error}): pip install 'spendline[traces]'"
        ) from None
    with recording(Spans(exporter(settings.traces_url), service, settings.traces_share)):
        yield


@contextmanager
def recording(spans: Spans) -> Iterator[None]:
    """Record the spans of this block, of all threads; what is recorded leaves at its end."""
    global _spans  # noqa: PLW0603 - one a process
    _spans = spans
    try:
        yield
    finally:
        _spans = None
        spans.stop()


def span(
    name: str,
    kind: Kind = "internal",
    *,
    after: Mapping[str, str] | None = None,
    among: Sequence[Any] = (),
    **attributes: Value,
) -> AbstractContextManager[None]:
    """A span below the current one, or below another.

    `after`: headers or a message's `trace`, which may name it; `among`: spans as `here` gave
    them, of which it is the first that is sampled. Names of attributes without a dot are ours.
    """
    if _spans is None:
        return _NOTHING
    return _spans.span(name, kind, after, among, attributes)


def note(**attributes: Value) -> None:
    """Add attributes to the current span; an `error.type` makes it a failed one."""
    if _spans is not None:
        _spans.note(attributes)


def here() -> Any:
    """The current span, for `among`."""
    return None if _spans is None else _spans.here()


def carrier() -> dict[str, str]:
    """What names the current span in another process: a W3C `traceparent`, or nothing."""
    return {} if _spans is None else _spans.carrier()
