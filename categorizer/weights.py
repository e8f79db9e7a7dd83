"""The numbers of a trained model in the form in which they are stored and served."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from categorizer import taxonomy
from categorizer.errors import CorruptArtifact
from categorizer.estimator import UNIT, Categorizer, TwoLevelClassifier, exponents
from categorizer.scores import DETAIL_LANES, LANES, detail_keys, fill_slots

_NEVER = -1e4
"""Logit of what was not seen in training."""


@dataclass(frozen=True, slots=True)
class Weights:
    """Arrays by the name of their file; slots are tables of features, see `scores`."""

    slots: NDArray[np.int64]
    weights: NDArray[np.int8]
    """Shape (features, 32)."""
    intercepts: NDArray[np.float64]
    """Shape (18,)."""
    detail_slots: NDArray[np.int64]
    detail_weights: NDArray[np.int8]
    """Shape (features within primaries, 16)."""
    detail_intercepts: NDArray[np.float64]
    """Shape (18, 15)."""
    detail_codes: NDArray[np.int16]
    """Shape (18, 15): the detailed codes of each primary, -1 where there are fewer."""

    def check(self) -> None:
        """Raises CorruptArtifact when the arrays do not fit together."""
        primaries = len(taxonomy.load().primaries)
        sound = (
            self.weights.dtype == self.detail_weights.dtype == np.int8
            and self.weights.shape[1:] == (LANES,)
            and self.detail_weights.shape[1:] == (DETAIL_LANES,)
            and self.intercepts.shape == (primaries,)
            and self.detail_codes.shape == self.detail_intercepts.shape == (primaries, 15)
            and _is_table(self.slots, len(self.weights))
            and _is_table(self.detail_slots, len(self.detail_weights))
            and bool(np.isfinite(self.intercepts).all())
            and bool(np.isfinite(self.detail_intercepts).all())
        )
        if not sound:
            raise CorruptArtifact("arrays of the model do not fit together")


def _is_table(slots: NDArray[np.int64], rows: int) -> bool:
    size = len(slots)
    entries = slots & 0xFFFFFFFF
    return (
        slots.dtype == np.int64
        and size > 0
        and size & (size - 1) == 0
        and int(np.count_nonzero(entries)) < size
        and int(entries.max()) <= rows
    )


def names() -> list[str]:
    return [field.name for field in fields(Weights)]


def export(model: Categorizer) -> Weights:
    """The serving form of a fitted model; its answers are the same."""
    classifier, keys = model.classifier_, model.features_.vocabulary_
    primaries = len(taxonomy.load().primaries)
    intercepts = np.full(primaries, _NEVER)
    intercepts[classifier.groups_] = classifier.intercept_
    coef = np.zeros((primaries, len(keys)))
    coef[classifier.groups_] = classifier.coef_
    used = np.flatnonzero(coef.any(axis=0))
    return Weights(
        _table(keys[used]),
        _bytes(coef[:, used], LANES),
        intercepts,
        *_details(classifier, keys, primaries),
    )


def _details(
    classifier: TwoLevelClassifier, keys: NDArray[np.uint32], primaries: int
) -> tuple[NDArray[np.int64], NDArray[np.int8], NDArray[np.float64], NDArray[np.int16]]:
    intercepts = np.full((primaries, DETAIL_LANES - 1), _NEVER)
    codes = np.full((primaries, DETAIL_LANES - 1), -1, dtype=np.int16)
    tables, rows = [np.empty(0, np.uint32)], [np.empty((0, DETAIL_LANES), np.int8)]
    for group, primary in enumerate(classifier.groups_):
        members = np.flatnonzero(classifier.group_of_class_ == group)
        codes[primary, : len(members)] = classifier.classes_[members]
        intercepts[primary, : len(members)] = classifier.detail_intercept_[members]
        coef = classifier.detail_coef_[members]
        used = np.flatnonzero(coef.any(axis=0))
        within = np.empty(len(used), dtype=np.uint32)
        detail_keys(keys[used], int(primary), within)
        tables.append(within)
        rows.append(_bytes(coef[:, used], DETAIL_LANES))
    return _table(np.concatenate(tables)), np.concatenate(rows), intercepts, codes


def _table(keys: NDArray[np.uint32]) -> NDArray[np.int64]:
    slots = np.zeros(1 << (2 * len(keys) + 1).bit_length(), dtype=np.int64)
    fill_slots(slots, keys)
    return slots


def _bytes(coef: NDArray[np.float64], lanes: int) -> NDArray[np.int8]:
    """Rows of features: rounded weights, and in the last lane their binary exponent."""
    powers = exponents(coef)
    rows = np.zeros((coef.shape[1], lanes), dtype=np.int8)
    rows[:, : len(coef)] = np.round(coef / (UNIT * 2.0**powers)).T
    rows[:, -1] = powers
    return rows
