"""Calibration fits what the model's probability is worth, and the confidence to trust it from.

Two numbers bend the probability's logit; more would learn the noise of a few hundred rows.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from sklearn.linear_model import LogisticRegression

from categorizer.calibration import Calibration, Floats

Flags = NDArray[np.bool_]

POINTS = 65
PRECISION = 0.98
"""The threshold aims at this precision among rows without review; decision 18 explains the margin."""
CEILING = 0.995
"""No confidence is higher than this: a model of words alone cannot be surer."""


def fit_calibration(probabilities: Floats, right: Flags) -> Calibration:
    """Fit the line on rows that the model has not learned from; both arrays have shape (n,)."""
    model = LogisticRegression(C=10.0).fit(_bound_logit(probabilities)[:, None], right)
    slope = max(float(model.coef_[0, 0]), 0.05)
    points = expit(np.linspace(-3.0, 6.0, POINTS))
    line = expit(slope * logit(points) + float(model.intercept_[0]))
    line = np.minimum(line, CEILING)
    return Calibration(np.r_[0.0, points, 1.0], np.r_[line[0], line, line[-1]])


def find_threshold(confidences: Floats, right: Flags, precision: float = PRECISION) -> float:
    """Return the lowest confidence from which all surer rows together keep `precision`.

    It is 1.0 when no confidence does.
    """
    order = np.argsort(-confidences, kind="stable")
    kept = np.cumsum(right[order]) / np.arange(1, len(order) + 1) >= precision
    if not kept.any():
        return 1.0
    return float(confidences[order][np.flatnonzero(kept)[-1]])


def _bound_logit(probabilities: Floats) -> Floats:
    return np.asarray(logit(np.clip(probabilities, expit(-3.0), expit(6.0))))
