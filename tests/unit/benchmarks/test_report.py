"""How results are told."""

import sys

import pytest
from rich.console import Console

from benchmarks.harness import report
from benchmarks.harness.arrivals import compute_quantiles


def _printed(result):
    console = Console(width=120)
    tables = list(report.build_tables("load", result))
    with console.capture() as printed:
        console.print(*tables)
    return [table.title for table in tables], printed.get()


def test_single_figures_are_told_by_their_way_into_the_result():
    titles, text = _printed({"rate": 12_345, "at_half": {"errors": 0}})
    assert titles == ["load"]
    assert "12,345" in text
    assert "at_half.errors" in text


def test_figures_of_many_cases_are_a_row_each():
    levels = {f"{n}%": {"rate": n, "post": {"p50_ms": n + 0.5}} for n in (10, 50)}
    titles, text = _printed({"levels": levels})
    assert titles == ["load", "load: levels", "load: levels, post"]
    assert [line.split() for line in text.splitlines() if "10%" in line] == [
        ["│", "10%", "│", "10", "│"],
        ["│", "10%", "│", "10.5", "│"],
    ]


@pytest.mark.parametrize(("options", "kept"), [([], True), (["--rows", "5"], False)])
def test_results_are_kept_when_measured_with_the_default_options(monkeypatch, options, kept):
    monkeypatch.setattr(sys, "argv", ["bench", *options])
    assert report.parse_arguments("", rows=10).keep is kept


def test_a_quantile_that_too_few_values_stand_for_is_not_told():
    printed = compute_quantiles([0.001] * 200)
    assert (printed["p50_ms"], printed["p99_ms"], printed["p999_ms"]) == (1.0, 1.0, None)
    assert compute_quantiles([])["max_ms"] is None
