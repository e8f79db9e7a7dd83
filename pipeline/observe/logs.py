"""The log: each line on standard error is a JSON object, also those of libraries.

A line of ours is an event with fields (`request`, `chunk`), and its ids follow a push from the POST
to the commit. No line holds a description, an amount or a token. Of an error the log has the kind
and the place, because its message may quote a row.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec
import structlog
from structlog.typing import EventDict, WrappedLogger

log: Final = structlog.get_logger()

_NOISY: Final = ("aio_pika", "aiormq", "pika")  # our own errors report their failures


class Pushed(NamedTuple):
    """The ids of a push and of its chunks (16 bytes each), and its number of rows and removals."""

    ingest: bytes
    chunks: Sequence[bytes]
    rows: int
    removals: int


def configure_logs(level: str) -> None:
    """Send the lines of `level` and above to standard error as JSON."""
    number = logging.getLevelNamesMapping()[level.upper()]
    common: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
    ]
    render = structlog.processors.JSONRenderer(serializer=_encode_json)
    structlog.configure(
        processors=[*common, render],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*common, structlog.stdlib.add_logger_name],
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                _remove_words,
                render,
            ],
        )
    )
    logging.basicConfig(level=number, handlers=[handler], force=True)
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def log_request(
    request_id: str, route: str, status: int, seconds: float, pushed: Pushed | None
) -> None:
    """Log one answered request, and what it pushed."""
    more: dict[str, Any] = {}
    if pushed is not None:
        more = {
            "ingest_id": str(UUID(bytes=pushed.ingest)),
            "chunk_ids": [str(UUID(bytes=chunk)) for chunk in pushed.chunks],
            "rows": pushed.rows,
            "removals": pushed.removals,
        }
    log.info(
        "request",
        request_id=request_id,
        route=route,
        status=status,
        ms=_to_milliseconds(seconds),
        **more,
    )


def is_routine(line: str) -> bool:
    """Whether a line reports work that succeeded, so that a terminal need not show it."""
    return '"event":"request"' in line or '"event":"chunk"' in line


def _to_milliseconds(seconds: float) -> float:
    return round(1000 * seconds, 2)


def _remove_words(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Keep the first line of a message, and the kind and place of an error without its message."""
    event["event"] = str(event["event"]).partition("\n")[0]
    error = event.pop("exc_info", None)
    if error and error is not True and error[0] is not None:
        kind, _, trace = error
        places = traceback.extract_tb(trace)[-6:]
        event["error"] = kind.__name__
        event["at"] = [f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in reversed(places)]
    event.pop("stack_info", None)
    return event


def _encode_json(event: EventDict, **_: Any) -> str:
    return msgspec.json.encode(event, enc_hook=str).decode()
