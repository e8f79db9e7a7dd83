"""Confidence means what it says, and the threshold keeps its promise."""

from __future__ import annotations

import numpy as np

from models import calibration


def test_the_line_rises_and_learns_how_often_a_probability_is_right() -> None:
    # Given a model that says 0.9 and is right in 7 of 10 cases
    source = np.random.default_rng(3)
    probabilities = source.uniform(0.3, 1.0, 4000)
    right = source.random(4000) < probabilities - 0.2

    # When it is calibrated
    line = calibration.fit_calibration(probabilities, right)

    # Then it says so, and never says less for more
    assert abs(float(line.calibrate(np.array([0.9]))[0]) - 0.7) < 0.05
    assert (np.diff(line.confidences) >= 0).all()
    assert (np.diff(line.probabilities) > 0).all()
    assert line.confidences.max() <= calibration.CEILING


def test_rows_above_the_threshold_keep_the_precision() -> None:
    source = np.random.default_rng(4)
    confidences = source.random(2000)
    right = source.random(2000) < confidences
    least = calibration.find_threshold(confidences, right, 0.9)
    assert right[confidences >= least].mean() >= 0.9
    assert right[confidences >= least - 0.05].mean() < 0.9


def test_nothing_is_trusted_where_nothing_is_right() -> None:
    assert calibration.find_threshold(np.array([0.9, 0.8]), np.array([False, False])) == 1.0
