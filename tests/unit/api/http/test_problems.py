"""Every error has a status, and its answer leaks nothing."""

from __future__ import annotations

from api.http import problems
from api.http.problems import Invalid, render_problem
from pipeline.errors import BrokerUnavailable, NoPartition


def test_a_defect_is_answered_without_its_message() -> None:
    response = render_problem(RuntimeError("secret 4111"), "r1")
    assert response.status == 500
    assert b"secret" not in bytes(response.body)  # type: ignore[arg-type]


def test_a_transient_failure_says_when_to_try_again() -> None:
    response = render_problem(BrokerUnavailable("away"), "r1")
    assert (response.status, response.headers["Retry-After"]) == (503, "1")


def test_months_that_are_still_to_be_made_are_no_defect() -> None:
    response = render_problem(NoPartition("run `spendline migrate`"), "r1")
    assert (response.status, response.headers["Retry-After"]) == (503, "1")


def test_every_problem_is_in_the_table() -> None:
    kinds = [k for k in vars(problems).values() if isinstance(k, type)]
    for kind in kinds:
        if issubclass(kind, problems.Problem) and kind is not problems.Problem:
            error = kind([]) if kind in {Invalid, problems.NotReady} else kind("said")
            assert render_problem(error, "r").status != 500, kind
