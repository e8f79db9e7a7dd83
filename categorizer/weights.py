"""The numbers of a trained model in the form in which they are stored and served."""

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from categorizer import taxonomy
from categorizer.errors import CorruptArtifact
from categorizer.estimator import UNIT, Categorizer, TwoLevelClassifier, exponents
from categorizer.features import DescriptorFeatures
from categorizer.scores import EXPONENT, LANES, ROW_BITS, detail_keys, fill_index

_NEVER = -1e4
"""Logit of what was not seen in training."""


@dataclass(frozen=True, slots=True)
class Weights:
    """Arrays by the name of their file; an index finds the row of a feature, see `scores`."""

    index: NDArray[np.uint32]
    rows: NDArray[np.int8]
    """Shape (features, 32)."""
    intercepts: NDArray[np.float64]
    """Shape (18,)."""
    detail_index: NDArray[np.uint32]
    detail_rows: NDArray[np.int8]
    """Shape (features within primaries, 32)."""
    detail_intercepts: NDArray[np.float64]
    """Shape (18, 27)."""
    detail_codes: NDArray[np.int16]
    """Shape (18, 27): the detailed codes of each primary, -1 where there are fewer."""

    @property
    def row_keys(self) -> NDArray[np.uint32]:
        """Shape (features, 8): the rows, with the key of the feature at the end."""
        return self.rows.view(np.uint32)

    @property
    def detail_row_keys(self) -> NDArray[np.uint32]:
        return self.detail_rows.view(np.uint32)

    def check(self) -> None:
        """Raises CorruptArtifact when the arrays do not fit together."""
        primaries = len(taxonomy.load().primaries)
        sound = (
            self.intercepts.shape == (primaries,)
            and self.detail_codes.shape == self.detail_intercepts.shape == (primaries, EXPONENT)
            and self.detail_codes.dtype == np.int16
            and int(self.detail_codes.max()) < len(taxonomy.load().detailed)
            and _is_table(self.index, self.rows)
            and _is_table(self.detail_index, self.detail_rows)
            and bool(np.isfinite(self.intercepts).all())
            and bool(np.isfinite(self.detail_intercepts).all())
        )
        if not sound:
            raise CorruptArtifact("arrays of the model do not fit together")


def _is_table(index: NDArray[np.uint32], rows: NDArray[np.int8]) -> bool:
    """Whether look-ups end and stay inside the rows, and no shift is too long."""
    size = len(index)
    return (
        index.dtype == np.uint32
        and rows.dtype == np.int8
        and rows.shape[1:] == (LANES,)
        and len(rows) > 0
        and size & (size - 1) == 0
        and int(np.count_nonzero(index)) < size
        and int((index & ((1 << ROW_BITS) - 1)).max()) <= len(rows)
        and 0 <= int(rows[:, EXPONENT].min()) <= int(rows[:, EXPONENT].max()) <= 12
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
    used = np.flatnonzero(coef.any(axis=0) | classifier.detail_coef_.any(axis=0))
    index, rows = _table(keys[used], coef[:, used])
    return Weights(index, rows, intercepts, *_details(classifier, keys, primaries))


def restore(weights: Weights) -> Categorizer:
    """The fitted estimator that was exported: the slow form, to compare and explain with."""
    present = weights.detail_codes >= 0
    keys = weights.row_keys[:, -1].copy()
    features, classifier, model = DescriptorFeatures(), TwoLevelClassifier(), Categorizer()
    order = np.argsort(keys)
    features.vocabulary_ = keys[order]
    classifier.groups_ = np.flatnonzero(present.any(axis=1))
    primaries, lanes = np.nonzero(present)
    by_code = np.argsort(weights.detail_codes[present])
    primaries, lanes = primaries[by_code], lanes[by_code]
    classifier.classes_ = weights.detail_codes[primaries, lanes].astype(np.int64)
    classifier.group_of_class_ = np.searchsorted(classifier.groups_, primaries)
    classifier.intercept_ = weights.intercepts[classifier.groups_]
    classifier.detail_intercept_ = weights.detail_intercepts[primaries, lanes]
    classifier.coef_ = floats(weights.rows)[order][:, classifier.groups_].T
    classifier.detail_coef_ = np.zeros((len(primaries), len(keys)))
    detail = floats(weights.detail_rows)
    for primary in classifier.groups_:
        members = primaries == primary
        rows = _rows_of(weights, features.vocabulary_, int(primary))
        known = detail[rows][:, lanes[members]].T * (rows >= 0)
        classifier.detail_coef_[members] = known
    classifier.n_features_in_ = len(keys)
    model.features_, model.classifier_, model.classes_ = features, classifier, classifier.classes_
    return model


def _rows_of(weights: Weights, keys: NDArray[np.uint32], primary: int) -> NDArray[np.int64]:
    """Rows of features among the details of a primary, -1 where there is none."""
    within = np.empty(len(keys), dtype=np.uint32)
    detail_keys(keys, primary, within)
    own = weights.detail_row_keys[:, -1]
    order = np.argsort(own)
    at = np.minimum(np.searchsorted(own, within, sorter=order), len(own) - 1)
    return np.where(own[order][at] == within, order[at], -1)


def floats(rows: NDArray[np.int8]) -> NDArray[np.float64]:
    """Weights of rows, shape (features, 27)."""
    steps = UNIT * 2.0 ** rows[:, EXPONENT].astype(np.float64)
    return np.asarray(rows[:, :EXPONENT] * steps[:, None])


def _details(
    classifier: TwoLevelClassifier, keys: NDArray[np.uint32], primaries: int
) -> tuple[NDArray[np.uint32], NDArray[np.int8], NDArray[np.float64], NDArray[np.int16]]:
    intercepts = np.full((primaries, EXPONENT), _NEVER)
    codes = np.full((primaries, EXPONENT), -1, dtype=np.int16)
    tables, coefs = [], []
    for group, primary in enumerate(classifier.groups_):
        members = np.flatnonzero(classifier.group_of_class_ == group)
        codes[primary, : len(members)] = classifier.classes_[members]
        intercepts[primary, : len(members)] = classifier.detail_intercept_[members]
        coef = classifier.detail_coef_[members]
        used = np.flatnonzero(coef.any(axis=0))
        within = np.empty(len(used), dtype=np.uint32)
        detail_keys(keys[used], int(primary), within)
        tables.append(within)
        coefs.append(np.pad(coef[:, used], ((0, EXPONENT - len(members)), (0, 0))))
    index, rows = _table(np.concatenate(tables), np.concatenate(coefs, axis=1))
    return index, rows, intercepts, codes


def _table(
    keys: NDArray[np.uint32], coef: NDArray[np.float64]
) -> tuple[NDArray[np.uint32], NDArray[np.int8]]:
    """Index and rows of features; there is always a row, so that look-ups need no care."""
    if len(keys) >= (1 << ROW_BITS) - 1:
        raise ValueError(f"{len(keys)} features are more than a table holds")
    index = np.zeros(1 << (3 * len(keys) // 2 + 1).bit_length(), dtype=np.uint32)
    fill_index(index, keys)
    powers = exponents(coef)
    rows = np.zeros((max(len(keys), 1), LANES), dtype=np.int8)
    rows[: len(keys), : len(coef)] = np.round(coef / (UNIT * 2.0**powers)).T
    rows[: len(keys), EXPONENT] = powers
    rows.view(np.uint32)[: len(keys), -1] = keys
    return index, rows
