"""What the table of claims says of results."""

import pytest

from benchmarks.harness.claims import CLAIMS, BenchmarkClaim, Verdict, judge_claims
from tests.unit.benchmarks.results import LATENCY, PIPELINE


def _verdict(results, figure):
    (verdict,) = [v for v in judge_claims(results) if v.claim.figure == figure]
    return verdict


def test_only_benchmarks_that_ran_are_judged():
    assert {verdict.claim.benchmark for verdict in judge_claims({"latency": LATENCY})} == {
        "latency"
    }
    assert judge_claims({"ingest": {}}) == []


def test_a_figure_is_found_by_its_way_into_the_result():
    assert _verdict({"pipeline": PIPELINE}, "growth.flat").measured == 1.0


@pytest.mark.parametrize(
    ("comparison", "bound", "met", "missed"),
    [
        (">=", 0.4, 0.4, 0.399),
        ("<=", 1.3, 1.3, 1.31),
        ("<", 500, 499.9, 500),
        ("=", 0, 0, 1),
        ("=", True, True, False),
    ],
)
def test_a_bar_is_met_or_missed(comparison, bound, met, missed):
    claim = BenchmarkClaim("pipeline", "ratio", "", comparison, bound)
    assert Verdict(claim, met).met
    assert not Verdict(claim, missed).met


def test_a_figure_without_a_bar_is_told_and_never_missed():
    plain = Verdict(BenchmarkClaim("cache", "with_etags.database_cpu_saved", ""), 0.4)
    assert plain.met
    assert plain.build_row()[2:] == ("0.4", "", "")


@pytest.mark.parametrize("result", [{}, {"growth": 3}, {"growth": {"flat": None}}])
def test_what_was_not_measured_is_not_met(result):
    verdict = _verdict({"pipeline": result}, "growth.flat")
    assert verdict.measured is None
    assert not verdict.met
    assert verdict.build_row()[2:] == ("not measured", "<= 1.3", "NO")


def test_rows_are_for_people_and_plain_for_machines():
    verdict = _verdict({"pipeline": PIPELINE}, "ratio")
    assert verdict.build_row()[0] == "pipeline"
    assert verdict.build_row()[2:] == ("0.25", ">= 0.4", "NO")
    assert verdict.to_dict() == {
        "benchmark": "pipeline",
        "figure": "ratio",
        "measured": 0.25,
        "bar": ">= 0.4",
        "met": False,
    }


def test_no_figure_is_claimed_twice():
    figures = [(claim.benchmark, claim.figure) for claim in CLAIMS]
    assert len(set(figures)) == len(figures)
