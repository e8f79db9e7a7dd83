"""Metrics of a process: counted once a batch, served on a port, silent about people."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace

import numpy as np
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from pipeline.observe import metrics as telemetry
from pipeline.transactions.chunk import Part
from pipeline.transactions.ids import accepted_at
from pipeline.transactions.rows import Scored
from tests.support.chunks import chunk, clock

Change = Callable[..., float]


@pytest.fixture
def change() -> Callable[..., Change]:
    """How much a sample has grown since the test asked for the first time."""

    def watch(name: str, **labels: str) -> Callable[[], float]:
        def value() -> float:
            return telemetry.REGISTRY.get_sample_value(f"spendline_{name}", labels) or 0.0

        before = value()
        return lambda: value() - before

    return watch


def scored(confidences: list[float]) -> Scored:
    rows = len(confidences)
    confidence = np.array(confidences, np.float32)
    return Scored(
        category=["FOOD_AND_DRINK_GROCERIES"] * rows,
        confidence=confidence,
        source=["model" if c < 1 else "rule" for c in confidences],
        needs_review=confidence < 0.5,
        merchant=["Tesco"] * rows,
        merchant_key=["tesco"] * rows,
        model_version=1,
    )


def test_confidences_are_counted_as_a_histogram_would_count_them() -> None:
    # Given an array with values on, between and below the bounds
    registry = CollectorRegistry()
    shares = telemetry.Shares("shares", "some", registry)
    values = np.array([0.0, 0.1, 0.1001, 0.5, 0.97, 1.0], np.float32)
    # When it is observed twice
    shares.observe(values)
    shares.observe(values)
    # Then every bucket holds the values up to its bound
    held = {
        le: registry.get_sample_value("shares_bucket", {"le": le})
        for le in ("0.1", "0.5", "0.99", "1.0", "+Inf")
    }
    assert held == {"0.1": 4, "0.5": 8, "0.99": 10, "1.0": 12, "+Inf": 12}
    assert registry.get_sample_value("shares_sum") == pytest.approx(2 * values.sum())


def test_a_scored_chunk_is_counted_by_source(change: Callable[..., Change]) -> None:
    # Given what was counted before
    model, rule = (
        change("categorized_rows_total", source="model"),
        change("categorized_rows_total", source="rule"),
    )
    review, chunks = change("needs_review_rows_total"), change("scoring_seconds_count")
    # When a chunk was scored
    telemetry.chunk_scored(scored([0.2, 0.8, 0.9, 1.0]), time.perf_counter())
    # Then its rows are counted by what decided them
    assert (model(), rule(), review(), chunks()) == (3, 1, 1, 1)


def test_the_oldest_ingest_of_a_chunk_tells_its_delay(change: Callable[..., Change]) -> None:
    # Given a chunk of two ingests, the older one from a minute before the commit
    older, newer = clock.uuid7(), clock.uuid7()
    sent = chunk(2, parts=[Part(newer, 0, 1, 0), Part(older, 0, 1, 0)])
    committed = accepted_at(older) + timedelta(seconds=60)
    commit, visible = change("commit_delay_seconds_sum"), change("visible_delay_seconds_sum")
    # When it is stored
    delay = telemetry.chunk_stored(sent, committed, committed + timedelta(seconds=1))
    # Then both delays are those of the older one
    assert commit() == pytest.approx(60)
    assert visible() == delay == pytest.approx(61)


def test_a_clock_that_is_behind_makes_no_negative_delay(change: Callable[..., Change]) -> None:
    waited = change("queue_age_seconds_sum")
    telemetry.chunk_taken(chunk(1), datetime.now(UTC) - timedelta(hours=2))
    assert waited() == 0


def test_only_the_version_that_serves_now_is_told() -> None:
    # Given a process whose model is swapped
    model = SimpleNamespace(version=3, metrics={})
    registry = CollectorRegistry()
    registry.register(telemetry.Serving(lambda: model))
    model = SimpleNamespace(version=4, metrics={"household": {"ece": 0.02}, "rows": 7})
    # Then the new one is told, with how well its confidence was calibrated
    told = generate_latest(registry).decode()
    assert re.findall(r"^[^#].*$", told, re.MULTILINE) == [
        'spendline_model_info{version="4"} 1.0',
        'spendline_model_calibration_error{data="household"} 0.02',
    ]


def test_a_queue_that_was_not_measured_is_not_told() -> None:
    telemetry.queues_measured({"ingest": 3, "dead": 0})
    telemetry.queues_measured({})
    assert "spendline_queue_messages{" not in generate_latest(telemetry.REGISTRY).decode()


def test_the_end_of_the_months_is_a_time() -> None:
    telemetry.partitions_end(date(2027, 3, 1))
    value = telemetry.REGISTRY.get_sample_value(
        "spendline_partitions_end_timestamp_seconds", {"table": "transactions"}
    )
    assert value == datetime(2027, 3, 1, tzinfo=UTC).timestamp()


def test_port_zero_serves_nothing() -> None:
    assert telemetry.serve("127.0.0.1", 0) == 0


def test_a_chunk_costs_little() -> None:
    """At 40,000 rows a second in chunks of 2,000, two per cent of a core are a millisecond each."""
    # Given a full chunk
    sent, verdicts = chunk(2000), scored([0.1, 0.6, 0.8, 1.0] * 500)
    now = datetime.now(UTC)

    # When all its hooks run
    def hooks() -> float:
        began = time.thread_time()
        telemetry.chunk_taken(sent, now)
        telemetry.chunk_scored(verdicts, 0.0)
        telemetry.chunk_stored(sent, now, now)
        return time.thread_time() - began

    # Then the fastest of several runs takes less
    assert min(hooks() for _ in range(20)) < 0.001
