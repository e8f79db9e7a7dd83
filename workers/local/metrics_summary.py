"""Figures of a whole system, from two scrapes of the metrics of its processes."""

from __future__ import annotations

import time
from typing import Final

import msgspec

from workers.local.scraped_metrics import (
    ProcessSamples,
    Scrape,
    collect_samples,
    compute_increases,
    estimate_quantile,
)

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
    """Seconds; None when nothing was measured."""

    p50: float | None
    p99: float | None


class Rates(msgspec.Struct, frozen=True):
    """Events per second."""

    requests: float
    failed_requests: float
    rows_accepted: float
    rows_stored: float
    chunks_stored: float
    chunk_failures: float


class ModelFigures(msgspec.Struct, frozen=True):
    """Numbers of processes by model version, and shares of the categorized rows."""

    versions: dict[str, int]
    sources: dict[str, float]
    confidence: float | None
    needs_review: float | None


class Machine(msgspec.Struct, frozen=True):
    """Cores and memory that all processes use, and PostgreSQL connections in use and allowed."""

    cpu_cores: float
    memory_bytes: float
    connections: int
    connections_allowed: int


class MetricsSummary(msgspec.Struct, frozen=True):
    """The whole system. `dead_letters` and `events_lost` count from the start of the processes."""

    processes: int
    silent: list[str]
    seconds: float
    rates: Rates
    times: dict[str, Quantiles]
    queues: dict[str, int]
    model: ModelFigures
    cache: dict[str, float | None]
    dead_letters: int
    events_lost: int
    days_of_months_ahead: float | None
    machine: Machine


def summarize_metrics(before: Scrape, after: Scrape) -> MetricsSummary:
    """Rates and quantiles between two scrapes, and the state at the second."""
    seconds = max(after.at - before.at, 1e-9)
    increases = compute_increases(before, after)
    current = collect_samples(after)
    return MetricsSummary(
        processes=len(after.samples),
        silent=after.silent,
        seconds=round(seconds, 3),
        rates=_compute_rates(increases, seconds),
        times={name: _estimate_quantiles(increases, metric) for name, metric in _TIMES.items()},
        queues={
            queue: int(n)
            for queue, n in current.group_by_label("queue_messages", "queue", max).items()
        },
        model=_summarize_model(increases, current),
        cache={kind: _compute_hit_share(increases, kind) for kind in ("position", "answer")},
        dead_letters=int(current.sum_samples("dead_letters_total")),
        events_lost=int(current.sum_samples("events_lost_total")),
        days_of_months_ahead=_compute_days_ahead(current),
        machine=Machine(
            cpu_cores=increases.sum_samples("process_cpu_seconds_total", prefix="") / seconds,
            memory_bytes=current.sum_samples("process_resident_memory_bytes", prefix=""),
            connections=int(current.sum_samples("pool_connections", state="used")),
            connections_allowed=int(current.sum_samples("pool_size")),
        ),
    )


def _compute_rates(increases: ProcessSamples, seconds: float) -> Rates:
    statuses = increases.group_by_label("http_requests_total", "status")
    return Rates(
        requests=sum(statuses.values()) / seconds,
        failed_requests=sum(n for code, n in statuses.items() if code >= "500") / seconds,
        rows_accepted=increases.sum_samples("ingest_rows_total", kind="accepted") / seconds,
        rows_stored=increases.sum_samples("chunk_rows_sum") / seconds,
        chunks_stored=increases.sum_samples("chunk_rows_count") / seconds,
        chunk_failures=increases.sum_samples("chunk_failures_total") / seconds,
    )


def _summarize_model(increases: ProcessSamples, current: ProcessSamples) -> ModelFigures:
    rows = increases.group_by_label("categorized_rows_total", "source")
    count = sum(rows.values())
    return ModelFigures(
        versions={v: int(n) for v, n in current.group_by_label("model_info", "version").items()},
        sources={source: n / count for source, n in rows.items() if n},
        confidence=_divide(
            increases.sum_samples("confidence_sum"), increases.sum_samples("confidence_count")
        ),
        needs_review=_divide(increases.sum_samples("needs_review_rows_total"), count),
    )


def _compute_hit_share(increases: ProcessSamples, kind: str) -> float | None:
    results = increases.group_by_label("cache_lookups_total", "result", kind=kind)
    return _divide(results.get("hit", 0.0), sum(results.values()))


def _compute_days_ahead(current: ProcessSamples) -> float | None:
    ends = current.group_by_label("partitions_end_timestamp_seconds", "table", min)
    return min((end - time.time()) / 86400 for end in ends.values()) if ends else None


def _estimate_quantiles(increases: ProcessSamples, metric: str) -> Quantiles:
    buckets = increases.group_by_label(f"{metric}_bucket", "le")
    bounds = sorted((float(bound), count) for bound, count in buckets.items())
    return Quantiles(estimate_quantile(0.5, bounds), estimate_quantile(0.99, bounds))


def _divide(part: float, whole: float) -> float | None:
    return part / whole if whole else None
