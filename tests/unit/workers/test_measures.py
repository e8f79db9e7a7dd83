"""Chunks in metrics and in the log: counted once, silent about rows."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from pipeline.observe import metrics as telemetry
from pipeline.transactions.chunk import Part
from pipeline.transactions.ids import read_uuid7_time
from pipeline.transactions.rows import Scored
from tests.support.chunks import chunk, clock
from workers.measures import measure_commit, measure_scoring, measure_wait

Change = Callable[..., float]
Lines = Callable[[], list[dict[str, Any]]]


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


@pytest.fixture
def change() -> Callable[..., Change]:
    """How much a sample has grown since the test asked for the first time."""

    def watch(name: str, **labels: str) -> Callable[[], float]:
        def value() -> float:
            return telemetry.REGISTRY.get_sample_value(f"spendline_{name}", labels) or 0.0

        before = value()
        return lambda: value() - before

    return watch


def test_a_scored_chunk_is_counted_by_source(change: Callable[..., Change]) -> None:
    # Given what was counted before
    model, rule = (
        change("categorized_rows_total", source="model"),
        change("categorized_rows_total", source="rule"),
    )
    review, chunks = change("needs_review_rows_total"), change("scoring_seconds_count")
    # When a chunk was scored
    measure_scoring(scored([0.2, 0.8, 0.9, 1.0]), 0.01)
    # Then its rows are counted by what decided them
    assert (model(), rule(), review(), chunks()) == (3, 1, 1, 1)


def test_the_oldest_ingest_of_a_chunk_tells_its_delay(change: Callable[..., Change]) -> None:
    # Given a chunk of two ingests, the older one from a minute before the commit
    older, newer = clock.make_uuid7(), clock.make_uuid7()
    sent = chunk(2, parts=[Part(newer, 0, 1, 0), Part(older, 0, 1, 0)])
    committed = read_uuid7_time(older) + timedelta(seconds=60)
    commit, visible = change("commit_delay_seconds_sum"), change("visible_delay_seconds_sum")
    # When it is stored
    measure_commit(sent, committed, committed + timedelta(seconds=1))
    # Then both delays are those of the older one
    assert commit() == pytest.approx(60)
    assert visible() == pytest.approx(61)


def test_a_clock_that_is_behind_makes_no_negative_delay(change: Callable[..., Change]) -> None:
    waited = change("queue_age_seconds_sum")
    measure_wait(chunk(1), datetime.now(UTC) - timedelta(hours=2))
    assert waited() == 0


def test_a_chunk_is_told_with_the_requests_of_its_ingests(lines: Lines) -> None:
    # Given a chunk of two ingests, one of which names its request
    one, other = clock.make_uuid7(), clock.make_uuid7()
    sent = chunk(3, parts=[Part(one, 0, 1, 0), Part(other, 0, 2, 0)], trace={one.hex(): "r-1"})
    # When it is stored
    committed = read_uuid7_time(one) + timedelta(milliseconds=250)
    measure_commit(sent, committed, committed)
    # Then its line names both, and no row
    (line,) = lines()
    assert (line["event"], line["level"], line["rows"], line["ms"]) == ("chunk", "info", 3, 250)
    assert list(line["requests"].values()) == ["r-1", ""]
    assert "TESCO" not in str(line)


def test_a_chunk_costs_little() -> None:
    """At 40,000 rows a second in chunks of 2,000, two per cent of a core are a millisecond each."""
    # Given a full chunk
    sent, verdicts = chunk(2000), scored([0.1, 0.6, 0.8, 1.0] * 500)
    now = datetime.now(UTC)

    # When all its hooks run
    def hooks() -> float:
        began = time.thread_time()
        measure_wait(sent, now)
        measure_scoring(verdicts, 0.0)
        measure_commit(sent, now, now)
        return time.thread_time() - began

    # Then the fastest of several runs takes less
    assert min(hooks() for _ in range(20)) < 0.001
