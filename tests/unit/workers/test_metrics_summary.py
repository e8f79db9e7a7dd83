"""Figures from the metrics of many processes."""

from __future__ import annotations

from click.testing import CliRunner

from workers.commands import main
from workers.commands.system.top import render_figures
from workers.local.metrics_summary import summarize_metrics
from workers.local.scraped_metrics import Scrape, estimate_quantile


def sample(name: str, value: float, **labels: str) -> tuple[str, float, dict[str, str]]:
    return name, value, labels


def process(
    *samples: tuple[str, float, dict[str, str]],
) -> dict[str, dict[frozenset[tuple[str, str]], float]]:
    found: dict[str, dict[frozenset[tuple[str, str]], float]] = {}
    for name, value, labels in samples:
        found.setdefault(name, {})[frozenset(labels.items())] = value
    return found


def rows(count: float) -> tuple[str, float, dict[str, str]]:
    return sample("spendline_chunk_rows_sum", count)


def test_rates_are_the_growth_of_all_processes_over_the_time() -> None:
    # Given two workers that store rows for two seconds
    before = Scrape(10.0, {"a": process(rows(100)), "b": process(rows(0))}, [])
    after = Scrape(12.0, {"a": process(rows(500)), "b": process(rows(200))}, [])
    # Then the rate is that of both
    assert summarize_metrics(before, after).rates.rows_stored == 300


def test_a_process_that_was_started_again_counts_from_zero() -> None:
    before = Scrape(0.0, {"a": process(rows(1000))}, [])
    after = Scrape(1.0, {"a": process(rows(30))}, [])
    assert summarize_metrics(before, after).rates.rows_stored == 30


def test_a_process_that_is_new_adds_nothing_of_its_past() -> None:
    before = Scrape(0.0, {"a": process(rows(0))}, [])
    after = Scrape(1.0, {"a": process(rows(5)), "b": process(rows(1_000_000))}, ["c"])
    shown = summarize_metrics(before, after)
    assert (shown.rates.rows_stored, shown.processes, shown.silent) == (5, 2, ["c"])


def test_a_queue_that_several_processes_measure_is_counted_once() -> None:
    depth = sample("spendline_queue_messages", 7, queue="ingest")
    look = Scrape(0.0, {"a": process(depth), "b": process(depth)}, [])
    assert summarize_metrics(look, look).queues == {"ingest": 7}


def test_shares_and_quantiles_without_events_are_none() -> None:
    look = Scrape(0.0, {"a": process()}, [])
    shown = summarize_metrics(look, look)
    assert shown.cache == {"position": None, "answer": None}
    assert shown.times["request"].p99 is None
    assert shown.model.confidence is None
    assert render_figures(shown).renderables  # and it can be shown


def test_a_quantile_lies_within_its_bucket() -> None:
    buckets = [(0.1, 0.0), (0.2, 10.0), (float("inf"), 10.0)]
    assert estimate_quantile(0.5, buckets) == 0.15000000000000002
    assert estimate_quantile(0.5, [(0.1, 0.0), (float("inf"), 4.0)]) == 0.1
    assert estimate_quantile(0.5, []) is None


def test_top_refuses_what_is_no_url() -> None:
    refused = CliRunner().invoke(main, ["top", "--once", "--url", "ftp://somewhere"])
    assert refused.exit_code == 2
    assert "is no URL" in refused.output
