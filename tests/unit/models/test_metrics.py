"""The figures of an evaluation, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from models import metrics


def test_coverage_is_the_largest_share_that_keeps_the_precision() -> None:
    confidences = np.array([0.9, 0.8, 0.7, 0.6])
    right = np.array([True, True, False, True])
    assert metrics.measure_coverage(1.0, confidences, right) == 0.5
    assert metrics.measure_coverage(0.75, confidences, right) == 1.0


def test_rows_of_one_confidence_are_covered_together_or_not_at_all() -> None:
    confidences = np.array([0.9, 0.8, 0.8])
    assert metrics.measure_coverage(1.0, confidences, np.array([True, True, False])) == 1 / 3


def test_nothing_is_covered_where_nothing_is_right() -> None:
    assert metrics.measure_coverage(0.95, np.array([0.9]), np.array([False])) == 0.0
    assert metrics.measure_coverage(0.95, np.empty(0), np.empty(0, dtype=bool)) == 0.0


def test_calibration_error_is_the_gap_weighted_by_rows() -> None:
    # Given three rows that say 0.95 of which two are right, and one that says 0.25 and is wrong
    confidences = np.array([0.95, 0.95, 0.95, 0.25])
    right = np.array([True, True, False, False])

    error = metrics.measure_calibration_error(confidences, right)

    assert error == pytest.approx((abs(2 - 3 * 0.95) + 0.25) / 4)


def test_macro_f1_counts_only_categories_that_occur() -> None:
    figures = metrics.summarize_rows(
        ["A", "A", "B"], ["A", "C", "B"], np.array([0.9, 0.8, 0.7]), np.array([False, True, False])
    )
    assert figures["macro_f1"] == pytest.approx((2 / 3 + 1) / 2)
    assert figures["accuracy"] == pytest.approx(2 / 3)
    assert figures["selected"] == {"coverage": pytest.approx(2 / 3), "precision": 1.0}
    assert figures["confusion"] == {"A": {"A": 1, "C": 1}, "B": {"B": 1}}


def test_an_empty_set_has_figures_too() -> None:
    figures = metrics.summarize_rows([], [], np.empty(0), np.empty(0, dtype=bool))
    assert figures["accuracy"] == figures["macro_f1"] == figures["ece"] == 0.0


def test_figures_of_a_category_are_shares_of_what_was_counted() -> None:
    # Given 2,000 rows of six labels, of which one is never predicted, and one guess of no label
    draw = np.random.default_rng(11)
    truth = draw.choice(list("ABCDEF"), 2000, p=[0.5, 0.2, 0.1, 0.1, 0.08, 0.02]).tolist()
    predicted = draw.choice(list("ABCDEX"), 2000).tolist()
    # When they are measured
    figures = metrics.measure_categories(truth, predicted)
    # Then every figure is exactly the quotient of counts made by hand
    assert list(figures) == list("ABCDEF")
    for label, row in figures.items():
        hits = sum(a == b == label for a, b in zip(truth, predicted, strict=True))
        true, guesses = truth.count(label), predicted.count(label)
        assert row == {
            "rows": true,
            "precision": hits / guesses if guesses else 0.0,
            "recall": hits / true,
            "f1": 2 * hits / (true + guesses),
        }
