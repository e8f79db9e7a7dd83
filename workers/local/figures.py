"""What the metrics of many processes say together: figures of the time between two looks.

A look is one scrape of every process. Counters are compared process by process, so that one that
was started again in between does not count backwards.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Final, NamedTuple
from urllib.error import URLError
from urllib.request import urlopen

import msgspec
from prometheus_client.parser import text_string_to_metric_families

_SECONDS: Final = 2.0
_AT_ONCE: Final = 16
_TIMES: Final = {
    "request": "http_request_seconds",
    "confirm": "publish_confirm_seconds",
    "queue_age": "queue_age_seconds",
    "scoring": "scoring_seconds",
    "write": "write_seconds",
    "to_commit": "commit_delay_seconds",
    "to_visible": "visible_delay_seconds",
}
_WAITING: Final = "ingests.show"  # a request that waits on purpose tells nothing of speed

Labels = frozenset[tuple[str, str]]
Samples = dict[str, dict[Labels, float]]


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


class Look(NamedTuple):
    """One scrape: samples by URL, and who did not answer."""

    at: float
    samples: dict[str, Samples]
    silent: list[str]


def look(urls: Iterable[str]) -> Look:
    """Scrape all URLs at once."""
    asked = list(urls)
    at = time.monotonic()
    with ThreadPoolExecutor(_AT_ONCE) as threads:
        answers = list(threads.map(_scrape, asked))
    found = {url: samples for url, samples in zip(asked, answers, strict=True) if samples}
    return Look(at, found, [url for url in asked if url not in found])


def figures(before: Look, after: Look) -> Figures:
    """What happened between two looks, and how things stand at the second."""
    seconds = max(after.at - before.at, 1e-9)
    grown = _Increase(before, after)
    now = _Now(after)
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


class _Series:
    """Samples of all processes, summed where their labels say."""

    def __init__(self, samples: Iterable[tuple[str, Labels, float]]) -> None:
        self._samples: dict[str, list[tuple[dict[str, str], float]]] = {}
        for name, labels, value in samples:
            self._samples.setdefault(name, []).append((dict(labels), value))

    def total(self, name: str, *, prefix: str = "spendline_", **labels: str) -> float:
        return sum(value for _, value in self._matching(prefix + name, labels))

    def by(
        self, name: str, label: str, combine: Callable[[list[float]], float] = sum, **labels: str
    ) -> dict[str, float]:
        """The combined values for every value of one label."""
        groups: dict[str, list[float]] = {}
        for given, value in self._matching(f"spendline_{name}", labels):
            groups.setdefault(given[label], []).append(value)
        return {key: combine(values) for key, values in sorted(groups.items())}

    def _matching(
        self, name: str, labels: Mapping[str, str]
    ) -> Iterator[tuple[dict[str, str], float]]:
        for given, value in self._samples.get(name, ()):
            if labels.items() <= given.items() and given.get("route") != _WAITING:
                yield given, value


class _Now(_Series):
    def __init__(self, after: Look) -> None:
        super().__init__(
            (name, labels, value)
            for samples in after.samples.values()
            for name, family in samples.items()
            for labels, value in family.items()
        )


class _Increase(_Series):
    def __init__(self, before: Look, after: Look) -> None:
        super().__init__(
            (name, labels, value - earlier if value >= earlier else value)
            for url, samples in after.samples.items()
            if url in before.samples
            for name, family in samples.items()
            for labels, value in family.items()
            for earlier in (before.samples[url].get(name, {}).get(labels, 0.0),)
        )


def _rates(grown: _Series, seconds: float) -> Rates:
    statuses = grown.by("http_requests_total", "status")
    return Rates(
        requests=sum(statuses.values()) / seconds,
        failed_requests=sum(n for code, n in statuses.items() if code >= "500") / seconds,
        rows_accepted=grown.total("ingest_rows_total", kind="accepted") / seconds,
        rows_stored=grown.total("chunk_rows_sum") / seconds,
        chunks_stored=grown.total("chunk_rows_count") / seconds,
        chunk_failures=grown.total("chunk_failures_total") / seconds,
    )


def _model(grown: _Series, now: _Series) -> Model:
    rows = grown.by("categorized_rows_total", "source")
    count = sum(rows.values())
    return Model(
        versions={v: int(n) for v, n in now.by("model_info", "version").items()},
        sources={source: n / count for source, n in rows.items() if n},
        confidence=_share(grown.total("confidence_sum"), grown.total("confidence_count")),
        needs_review=_share(grown.total("needs_review_rows_total"), count),
    )


def _hits(grown: _Series, kind: str) -> float | None:
    results = grown.by("cache_lookups_total", "result", kind=kind)
    return _share(results.get("hit", 0.0), sum(results.values()))


def _days_ahead(now: _Series) -> float | None:
    ends = now.by("partitions_end_timestamp_seconds", "table", min)
    return min((end - time.time()) / 86400 for end in ends.values()) if ends else None


def _quantiles(grown: _Series, metric: str) -> Quantiles:
    buckets = grown.by(f"{metric}_bucket", "le")
    bounds = sorted((float(bound), count) for bound, count in buckets.items())
    return Quantiles(quantile(0.5, bounds), quantile(0.99, bounds))


def quantile(share: float, buckets: list[tuple[float, float]]) -> float | None:
    """The value below which `share` of the observations lie, by (bound, cumulative count).

    Linear within a bucket, as Prometheus does it; in the last, the greatest finite bound.
    """
    if not buckets or not buckets[-1][1]:
        return None
    rank = share * buckets[-1][1]
    for (low, below), (high, count) in pairwise([(0.0, 0.0), *buckets]):
        if count >= rank and count > below:
            return (
                low
                if high == float("inf")
                else low + (high - low) * (rank - below) / (count - below)
            )
    return None


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def _scrape(url: str) -> Samples:
    try:
        with urlopen(url, timeout=_SECONDS) as answer:  # noqa: S310 - the caller gives http URLs
            text = answer.read().decode()
    except (URLError, OSError, ValueError):
        return {}
    found: Samples = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = frozenset(sample.labels.items())
            found.setdefault(sample.name, {})[labels] = sample.value
    return found
