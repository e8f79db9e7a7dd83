"""Metrics say how right a model is on one set of labelled rows, plain enough for JSON."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import precision_recall_fscore_support

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

BINS = 10
"""The expected calibration error groups confidences into so many bands."""


def measure_coverage(precision: float, confidences: Floats, right: Flags) -> float:
    """Return the largest share of rows, the most confident first, that keeps `precision`."""
    if len(right) == 0:
        return 0.0
    order = np.argsort(-confidences, kind="stable")
    taken = np.arange(1, len(order) + 1)
    precise = np.cumsum(right[order]) / taken >= precision
    falls = np.append(
        np.diff(confidences[order]) < 0, True
    )  # rows of one confidence are taken together
    return float(taken[precise & falls].max(initial=0) / len(order))


def measure_calibration_error(confidences: Floats, right: Flags) -> float:
    """Return the mean gap between confidence and accuracy over equal bands, weighted by rows."""
    band = np.minimum((confidences * BINS).astype(int), BINS - 1)
    gaps = np.bincount(band, weights=right.astype(float) - confidences, minlength=BINS)
    return float(np.abs(gaps).sum() / max(len(right), 1))


def measure_selected(right: Flags, needs_review: Flags) -> dict[str, float]:
    """Return coverage and precision of the rows that need no review."""
    kept = right[~needs_review]
    return {
        "coverage": _divide(len(kept), len(right)),
        "precision": _divide(int(kept.sum()), len(kept)),
    }


def measure_categories(
    truth: Sequence[str], predicted: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Return rows, precision, recall and F1 of every category that occurs in the labels."""
    labels = sorted(set(truth))
    if not labels:
        return {}
    figures = precision_recall_fscore_support(truth, predicted, labels=labels, zero_division=0)
    columns = [column.tolist() for column in figures]
    return {
        label: {"rows": rows, "precision": precision, "recall": recall, "f1": f1}
        for label, precision, recall, f1, rows in zip(labels, *columns, strict=True)
    }


def count_confusion(truth: Sequence[str], predicted: Sequence[str]) -> dict[str, dict[str, int]]:
    """Return the number of rows by label and predicted category."""
    table: dict[str, dict[str, int]] = {label: {} for label in sorted(set(truth))}
    for label, guess in sorted(zip(truth, predicted, strict=True)):
        table[label][guess] = table[label].get(guess, 0) + 1
    return table


def summarize_rows(
    truth: Sequence[str], predicted: Sequence[str], confidences: Floats, needs_review: Flags
) -> dict[str, Any]:
    """Return all figures at one level of the taxonomy; macro-F1 is over the labels' categories."""
    right = np.array([a == b for a, b in zip(truth, predicted, strict=True)], dtype=bool)
    categories = measure_categories(truth, predicted)
    return {
        "rows": len(right),
        "accuracy": _divide(int(right.sum()), len(right)),
        "macro_f1": _average([figures["f1"] for figures in categories.values()]),
        "coverage_at_95": measure_coverage(0.95, confidences, right),
        "ece": measure_calibration_error(confidences, right),
        "selected": measure_selected(right, needs_review),
        "per_category": categories,
        "confusion": count_confusion(truth, predicted),
    }


def _divide(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _average(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else 0.0
