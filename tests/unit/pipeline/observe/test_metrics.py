"""Metrics of a process: counted once a batch, served on a port, silent about people."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from types import SimpleNamespace

import numpy as np
import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest

from pipeline.observe import metrics as telemetry


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
    telemetry.set_queue_depths({"ingest": 3, "dead": 0})
    telemetry.set_queue_depths({})
    assert "spendline_queue_messages{" not in generate_latest(telemetry.REGISTRY).decode()


def test_the_end_of_the_months_is_a_time() -> None:
    telemetry.set_partitions_end(date(2027, 3, 1))
    value = telemetry.REGISTRY.get_sample_value(
        "spendline_partitions_end_timestamp_seconds", {"table": "transactions"}
    )
    assert value == datetime(2027, 3, 1, tzinfo=UTC).timestamp()


def test_port_zero_serves_nothing() -> None:
    assert telemetry.serve_metrics("127.0.0.1", 0) == 0
