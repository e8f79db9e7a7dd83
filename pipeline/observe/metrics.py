"""Every metric of the system, and the port that serves them.

Each process has its own registry and port, so that several on one machine share no files and each
gauge belongs to one living process. Callers count once a request or a chunk, never once a row.
Labels take few values; none names a user or a row.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from threading import Lock
from typing import Any, Final, Protocol

import asyncpg
import numpy as np
from numpy.typing import NDArray
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    start_http_server,
)
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

logger = logging.getLogger(__name__)

_PORTS: Final = 64  # ports that are tried, upwards from that of the settings
_FAST: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
_SLOW: Final = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800)
_ROWS: Final = (1, 5, 20, 50, 100, 250, 500, 1000, 2000, 5000, 10_000)
_CONFIDENCES: Final = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)

REGISTRY: Final = CollectorRegistry()
ProcessCollector(registry=REGISTRY)


class Model(Protocol):
    """A model as metrics see it; `metrics` has an object for each set of data that measured it."""

    @property
    def version(self) -> int: ...

    @property
    def metrics(self) -> dict[str, Any]: ...


class Shares(Collector):
    """A histogram that takes a whole array of values from 0 to 1 at once."""

    def __init__(self, name: str, documentation: str, registry: CollectorRegistry) -> None:
        self._name, self._documentation = name, documentation
        self._edges = np.array(_CONFIDENCES, np.float32)
        self._counts = np.zeros(len(_CONFIDENCES) + 1, np.int64)
        self._sum = 0.0
        self._lock = Lock()
        registry.register(self)

    def observe(self, values: NDArray[np.float32]) -> None:
        """Count every value in the first bucket whose bound is not below it."""
        places = np.searchsorted(self._edges, values)
        counts = np.bincount(places, minlength=len(self._counts))
        with self._lock:
            self._counts += counts
            self._sum += float(values.sum())

    def collect(self) -> Iterator[HistogramMetricFamily]:
        with self._lock:
            cumulative, total = np.cumsum(self._counts).tolist(), self._sum
        bounds = [*map(str, _CONFIDENCES), "+Inf"]
        buckets = list(zip(bounds, cumulative, strict=True))
        yield HistogramMetricFamily(self._name, self._documentation, buckets, total)


class Serving(Collector):
    """The model in use, read at each scrape because it may have been swapped."""

    def __init__(self, model: Callable[[], Model]) -> None:
        self._model = model

    def collect(self) -> Iterator[GaugeMetricFamily]:
        model = self._model()
        info = GaugeMetricFamily(
            "spendline_model_info", "1 for the version that serves.", labels=["version"]
        )
        info.add_metric([str(model.version)], 1)
        yield info
        error = GaugeMetricFamily(
            "spendline_model_calibration_error",
            "Expected calibration error of that version, by the data it was measured on.",
            labels=["data"],
        )
        for data, measured in model.metrics.items():
            if isinstance(measured, dict) and "ece" in measured:
                error.add_metric([data], measured["ece"])
        yield error


def _make_counter(name: str, documentation: str, *labels: str) -> Counter:
    return Counter(f"spendline_{name}", documentation, labels, registry=REGISTRY)


def _make_gauge(name: str, documentation: str, *labels: str) -> Gauge:
    return Gauge(f"spendline_{name}", documentation, labels, registry=REGISTRY)


def _make_histogram(
    name: str, documentation: str, buckets: tuple[float, ...], *labels: str
) -> Histogram:
    return Histogram(f"spendline_{name}", documentation, labels, buckets=buckets, registry=REGISTRY)


# HTTP
REQUESTS: Final = _make_counter("http_requests", "Answered requests.", "route", "status")
REQUEST_SECONDS: Final = _make_histogram(
    "http_request_seconds", "From the head of a request to its answer.", _FAST, "route"
)
INGESTED: Final = _make_counter(
    "ingest_rows", "Rows and removals that an answer 202 took over.", "kind"
)

# Queue
CONFIRM_SECONDS: Final = _make_histogram(
    "publish_confirm_seconds", "From publishing a chunk to the broker's confirm.", _FAST
)
UNCONFIRMED: Final = _make_counter("publish_failures", "Chunks that the broker did not confirm.")
BROKER_USABLE: Final = _make_gauge(
    "broker_usable", "1 when this process could publish now, else 0.", "client"
)
QUEUE_MESSAGES: Final = _make_gauge("queue_messages", "Messages ready in a queue.", "queue")
QUEUE_AGE: Final = _make_histogram(
    "queue_age_seconds", "From publishing a chunk to the start of work on it.", _SLOW
)
FAILURES: Final = _make_counter(
    "chunk_failures", "Failed attempts at chunks, by kind of error.", "error"
)
DEAD_LETTERS: Final = _make_counter("dead_letters", "Dead letters stored in the database.")

# Chunks
CHUNK_ROWS: Final = _make_histogram("chunk_rows", "Rows and removals of a stored chunk.", _ROWS)
SCORING_SECONDS: Final = _make_histogram("scoring_seconds", "Seconds to categorize a chunk.", _FAST)
WRITE_SECONDS: Final = _make_histogram(
    "write_seconds", "Seconds to write a chunk, up to its commit.", _FAST
)
COMMIT_DELAY: Final = _make_histogram(
    "commit_delay_seconds", "From accepting the oldest ingest of a chunk to its commit.", _SLOW
)
VISIBLE_DELAY: Final = _make_histogram(
    "visible_delay_seconds",
    "From accepting the oldest ingest of a chunk until readers see its feed positions.",
    _SLOW,
)
EVENTS_LOST: Final = _make_counter("events_lost", "Commits whose event did not reach Redis.")

# Model
CATEGORIZED: Final = _make_counter(
    "categorized_rows", "Categorized rows, by what decided the category.", "source"
)
NEEDS_REVIEW: Final = _make_counter("needs_review_rows", "Rows below the confidence threshold.")
CONFIDENCE: Final = Shares("spendline_confidence", "Confidence of categorized rows.", REGISTRY)

# Storage
CACHE: Final = _make_counter("cache_lookups", "Reads of the cache.", "kind", "result")
POOL: Final = _make_gauge("pool_connections", "PostgreSQL connections of the process.", "state")
POOL_SIZE: Final = _make_gauge("pool_size", "PostgreSQL connections the process may have.", "pool")
REPLICA_READS: Final = _make_counter(
    "replica_reads",
    "Reads that a replica could answer, by which server answered and why.",
    "answered",
)
REPLICAS: Final = _make_gauge("replicas", "Read replicas of the settings.", "state")
PARTITIONS_END: Final = _make_gauge(
    "partitions_end_timestamp_seconds", "Start of the first month without a partition.", "table"
)


def count_request(route: str, status: int, seconds: float) -> None:
    """Count one request under its route and status."""
    REQUESTS.labels(route, str(status)).inc()
    REQUEST_SECONDS.labels(route).observe(seconds)


def count_ingest(rows: int, removals: int) -> None:
    """Count the rows and removals that one answer 202 took over."""
    INGESTED.labels("accepted").inc(rows)
    INGESTED.labels("removed").inc(removals)


def count_lookup(kind: str, *, hit: bool) -> None:
    """Count a read of the cache of a `position` or an `answer`."""
    CACHE.labels(kind, "hit" if hit else "miss").inc()


def watch_replicas(number: int, usable: Callable[[], int]) -> None:
    """Read at each scrape how many of the replicas are usable."""
    REPLICAS.labels("usable").set_function(usable)
    REPLICAS.labels("away").set_function(lambda: number - usable())
    for answered in ("replica", "behind", "ahead", "away"):
        REPLICA_READS.labels(answered)


def count_replica_read(answered: str) -> None:
    """Count a read that a `replica` answered, or the primary because it was behind, ahead, away."""
    REPLICA_READS.labels(answered).inc()


def set_partitions_end(first_missing: date, table: str = "transactions") -> None:
    """Set the first month for which `table` has no partition."""
    midnight = datetime.fromisoformat(f"{first_missing}T00:00:00+00:00")
    PARTITIONS_END.labels(table).set(midnight.timestamp())


def watch_pool(pool: asyncpg.Pool, name: str) -> None:
    """Read the connections of the pool at each scrape."""
    POOL.labels("used").set_function(lambda: pool.get_size() - pool.get_idle_size())
    POOL.labels("idle").set_function(pool.get_idle_size)
    POOL_SIZE.labels(name).set(pool.get_max_size())


def watch_model(model: Callable[[], Model]) -> None:
    """Read the model in use at each scrape."""
    REGISTRY.register(Serving(model))


def set_queue_depths(ready: Mapping[str, int]) -> None:
    """Set the ready messages of each queue, and drop the queues that are not named."""
    QUEUE_MESSAGES.clear()
    for queue, messages in ready.items():
        QUEUE_MESSAGES.labels(queue).set(messages)


def serve_metrics(host: str, port: int) -> int:
    """Serve `/metrics` on the first free port from `port` on, and return that port.

    Port 0 turns the metrics off. A process that finds no port logs it, works without metrics, and
    gets 0.
    """
    disable_created_metrics()  # type: ignore[no-untyped-call]
    for candidate in range(port, port + _PORTS) if port else ():
        try:
            start_http_server(candidate, host, REGISTRY)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                continue
            logger.warning("no metrics: %s:%d: %s", host, candidate, error.strerror)
            return 0
        logger.info("metrics on http://%s:%d/metrics", host, candidate)
        return candidate
    return 0
