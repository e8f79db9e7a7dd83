"""What the metrics of many processes say together: figures of the time between two looks."""

from __future__ import annotations

import time
from typing import Final

import msgspec

from workers.local.scraped_metrics import Increase, Look, Now, Series, quantile

_TIMES: Final = {
    "request": "http_request_seconds",
    "confirm": "publish_confirm_seconds",
    "queue_age": "queue_age_seconds",
    "scoring": "scoring_seconds",
    "write": "write_seconds",
    "to_commit": "commit_delay_seconds",
    "to_visible": "visible_delay_seconds",
}


class Quantiles(msgspec.Struct, frozen=True):
    """Seconds; None when nothing happened."""

    p50: float | None
    p99: float | None


class Rates(msgspec.Struct, frozen=True):
    """A second."""

    requests: float
    failed_requests: float
    rows_accepted: float
    rows_stored: float
    chunks_stored: float
    chunk_failures: float


class Model(msgspec.Struct, frozen=True):
    """Versions with the processes that serve them, and shares of the rows categorized."""

    versions: dict[str, int]
    sources: dict[str, float]
    confidence: float | None
    needs_review: float | None


class Machine(msgspec.Struct, frozen=True):
    """Of all processes: cores in use, bytes in memory, PostgreSQL connections in use and allowed."""

    cpu_cores: float
    memory_bytes: float
    connections: int
    connections_allowed: int


class Figures(msgspec.Struct, frozen=True):
    """Everything at a glance. `dead_letters` and `events_lost` are since the processes started."""

    processes: int
    silent: list[str]
    seconds: float
    rates: Rates
    times: dict[str, Quantiles]
    queues: dict[str, int]
    model: Model
    cache: dict[str, float | None]
    dead_letters: int
    events_lost: int
    days_of_months_ahead: float | None
    machine: Machine


def figures(before: Look, after: Look) -> Figures:
    """What happened between two looks, and how things stand at the second."""
    seconds = max(after.at - before.at, 1e-9)
    grown = Increase(before, after)
    now = Now(after)
    return Figures(
        processes=len(after.samples),
        silent=after.silent,
        seconds=round(seconds, 3),
        rates=_rates(grown, seconds),
        times={name: _quantiles(grown, metric) for name, metric in _TIMES.items()},
        queues={queue: int(n) for queue, n in now.by("queue_messages", "queue", max).items()},
        model=_model(grown, now),
        cache={kind: _hits(grown, kind) for kind in ("position", "answer")},
        dead_letters=int(now.total("dead_letters_total")),
        events_lost=int(now.total("events_lost_total")),
        days_of_months_ahead=_days_ahead(now),
        machine=Machine(
            cpu_cores=grown.total("process_cpu_seconds_total", prefix="") / seconds,
            memory_bytes=now.total("process_resident_memory_bytes", prefix=""),
            connections=int(now.total("pool_connections", state="used")),
            connections_allowed=int(now.total("pool_size")),
        ),
    )


def _rates(grown: Series, seconds: float) -> Rates:
    statuses = grown.by("http_requests_total", "status")
    return Rates(
        requests=sum(statuses.values()) / seconds,
        failed_requests=sum(n for code, n in statuses.items() if code >= "500") / seconds,
        rows_accepted=grown.total("ingest_rows_total", kind="accepted") / seconds,
        rows_stored=grown.total("chunk_rows_sum") / seconds,
        chunks_stored=grown.total("chunk_rows_count") / seconds,
        chunk_failures=grown.total("chunk_failures_total") / seconds,
    )


def _model(grown: Series, now: Series) -> Model:
    rows = grown.by("categorized_rows_total", "source")
    count = sum(rows.values())
    return Model(
        versions={v: int(n) for v, n in now.by("model_info", "version").items()},
        sources={source: n / count for source, n in rows.items() if n},
        confidence=_share(grown.total("confidence_sum"), grown.total("confidence_count")),
        needs_review=_share(grown.total("needs_review_rows_total"), count),
    )


def _hits(grown: Series, kind: str) -> float | None:
    results = grown.by("cache_lookups_total", "result", kind=kind)
    return _share(results.get("hit", 0.0), sum(results.values()))


def _days_ahead(now: Series) -> float | None:
    ends = now.by("partitions_end_timestamp_seconds", "table", min)
    return min((end - time.time()) / 86400 for end in ends.values()) if ends else None


def _quantiles(grown: Series, metric: str) -> Quantiles:
    buckets = grown.by(f"{metric}_bucket", "le")
    bounds = sorted((float(bound), count) for bound, count in buckets.items())
    return Quantiles(quantile(0.5, bounds), quantile(0.99, bounds))


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None
