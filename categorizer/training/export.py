"""The fitted estimator is exported to the arrays that serve, and restored from them."""

import numpy as np
from numpy.typing import NDArray

from categorizer import taxonomy
from categorizer.kernels.scores import EXPONENT, LANES, ROW_BITS, fill_index, hash_details
from categorizer.training.estimator import Categorizer, TwoLevelClassifier
from categorizer.training.features import DescriptorFeatures
from categorizer.weights import UNIT, Weights, compute_exponents, decode_weights

_NEVER = -1e4
"""This is the logit of what was not seen in training."""


def export_weights(model: Categorizer) -> Weights:
    """Return the serving form of a fitted model; its answers are equal."""
    classifier, keys = model.classifier_, model.features_.vocabulary_
    primaries = len(taxonomy.load_taxonomy().primaries)
    intercepts = np.full(primaries, _NEVER)
    intercepts[classifier.groups_] = classifier.intercept_
    coef = np.zeros((primaries, len(keys)))
    coef[classifier.groups_] = classifier.coef_
    used = np.flatnonzero(coef.any(axis=0) | classifier.detail_coef_.any(axis=0))
    index, rows = _build_table(keys[used], coef[:, used])
    return Weights(index, rows, intercepts, *_export_details(classifier, keys, primaries))


def restore_estimator(weights: Weights) -> Categorizer:
    """Return the fitted estimator that was exported: the slow form, to compare with."""
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
    classifier.coef_ = decode_weights(weights.rows)[order][:, classifier.groups_].T
    classifier.detail_coef_ = np.zeros((len(primaries), len(keys)))
    detail = decode_weights(weights.detail_rows)
    for primary in classifier.groups_:
        members = primaries == primary
        rows = _find_detail_rows(weights, features.vocabulary_, int(primary))
        coef = detail[rows][:, lanes[members]].T * (rows >= 0)
        classifier.detail_coef_[members] = coef
    classifier.n_features_in_ = len(keys)
    model.features_, model.classifier_, model.classes_ = features, classifier, classifier.classes_
    return model


def _find_detail_rows(
    weights: Weights, keys: NDArray[np.uint32], primary: int
) -> NDArray[np.int64]:
    """Return the rows of features among the details of a primary, -1 where there is none."""
    within = np.empty(len(keys), dtype=np.uint32)
    hash_details(keys, primary, within)
    own = weights.detail_row_keys[:, -1]
    order = np.argsort(own)
    at = np.minimum(np.searchsorted(own, within, sorter=order), len(own) - 1)
    return np.where(own[order][at] == within, order[at], -1)


def _export_details(
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
        hash_details(keys[used], int(primary), within)
        tables.append(within)
        coefs.append(np.pad(coef[:, used], ((0, EXPONENT - len(members)), (0, 0))))
    index, rows = _build_table(np.concatenate(tables), np.concatenate(coefs, axis=1))
    return index, rows, intercepts, codes


def _build_table(
    keys: NDArray[np.uint32], coef: NDArray[np.float64]
) -> tuple[NDArray[np.uint32], NDArray[np.int8]]:
    """Return index and rows of features; there is always a row, so that look-ups need no check."""
    if len(keys) >= (1 << ROW_BITS) - 1:
        raise ValueError(f"{len(keys)} features are more than a table holds")
    index = np.zeros(1 << (3 * len(keys) // 2 + 1).bit_length(), dtype=np.uint32)
    fill_index(index, keys)
    powers = compute_exponents(coef)
    rows = np.zeros((max(len(keys), 1), LANES), dtype=np.int8)
    rows[: len(keys), : len(coef)] = np.round(coef / (UNIT * 2.0**powers)).T
    rows[: len(keys), EXPONENT] = powers
    rows.view(np.uint32)[: len(keys), -1] = keys
    return index, rows
