"""What is claimed of the system, and whether the results confirm it.

A claim is a figure of one benchmark's result and the bar that it must reach. Some figures are
shown beside these without a bar.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

Results = Mapping[str, Mapping[str, Any]]

_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "<": operator.lt,
    "=": operator.eq,
}


@dataclass(frozen=True, slots=True)
class BenchmarkClaim:
    """`figure` is the way into the result, parts joined by dots; `says` is for people."""

    benchmark: str
    figure: str
    says: str
    comparison: str = ""
    bound: float | None = None

    @property
    def bar(self) -> str:
        return "" if self.bound is None else f"{self.comparison} {format_figure(self.bound)}"


CLAIMS = (
    BenchmarkClaim(
        "categorizer", "times_sklearn", "times a scikit-learn pipeline, one core", ">=", 8
    ),
    BenchmarkClaim("categorizer", "times_fasttext", "times fastText, one core", ">=", 1.5),
    BenchmarkClaim("categorizer", "same_answers", "same answers as the estimator", "=", bound=True),
    BenchmarkClaim("pipeline", "ratio", "speed by that of a bare COPY", ">=", 0.40),
    BenchmarkClaim("pipeline", "times_naive", "times dramatiq, a row a message", ">=", 100),
    BenchmarkClaim("pipeline", "times_celery", "times Celery, a row a task", ">=", 100),
    BenchmarkClaim("pipeline", "times_sql", "times rules in SQL", ">=", 30),
    BenchmarkClaim(
        "pipeline",
        "growth.flat",
        "cost a row, dearest by cheapest of 10,000 to 1,000,000",
        "<=",
        1.3,
    ),
    BenchmarkClaim(
        "latency", "at_half_load.post_p99_by_p50", "POST p99 by p50 at half load", "<=", 5
    ),
    BenchmarkClaim(
        "latency", "at_half_load.visible_p99_ms", "visible p99 at half load, ms", "<", 500
    ),
    BenchmarkClaim("latency", "at_half_load.errors", "errors at half load", "=", 0),
    BenchmarkClaim("cache", "same_answers", "same answers as PostgreSQL's", "=", bound=True),
    BenchmarkClaim(
        "cache",
        "database_cpu_saved",
        "share of database CPU saved, against the same API with the cache off",
        ">=",
        0.80,
    ),
    BenchmarkClaim(
        "cache", "with_etags.database_cpu_saved", "the same, where all clients keep ETags"
    ),
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """A claim beside what was measured, which is None when the result does not have it."""

    claim: BenchmarkClaim
    measured: float | None

    @property
    def met(self) -> bool:
        if self.measured is None:
            return False
        if self.claim.bound is None:
            return True
        return _COMPARE[self.claim.comparison](self.measured, self.claim.bound)

    def to_dict(self) -> dict[str, Any]:
        return {
            "benchmark": self.claim.benchmark,
            "figure": self.claim.figure,
            "measured": self.measured,
            "bar": self.claim.bar,
            "met": self.met,
        }

    def build_row(self) -> tuple[str, str, str, str, str]:
        """Benchmark, claim, measured, bar, met."""
        claim = self.claim
        measured = "not measured" if self.measured is None else format_figure(self.measured)
        met = "NO" if not self.met else "yes" if claim.bar else ""
        return claim.benchmark, f"{claim.says} ({claim.figure})", measured, claim.bar, met


def judge_claims(results: Results) -> list[Verdict]:
    """Verdicts on the claims of those benchmarks that there are results of."""
    return [
        Verdict(claim, _found(results[claim.benchmark], claim.figure))
        for claim in CLAIMS
        if claim.benchmark in results
    ]


def format_figure(value: float) -> str:
    """As people read it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}"


def _found(result: Mapping[str, Any], figure: str) -> float | None:
    part: Any = result
    for name in figure.split("."):
        if not isinstance(part, Mapping) or name not in part:
            return None
        part = part[name]
    return part if isinstance(part, int | float) else None
