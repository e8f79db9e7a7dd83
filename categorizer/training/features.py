"""Transactions become features for scikit-learn: hashed words and n-grams, amount, MCC, currency.

The compiled passes name every feature by a 32-bit key. Fitting keeps the keys that occur in
enough rows; other features have no column. The features of a row's text have unit length.
"""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from categorizer.columns import Columns, encode_currencies
from categorizer.kernels.buffer import Buffer, pack_descriptions
from categorizer.kernels.passes import MAX_FEATURES, featurize_rows
from categorizer.phrases import load_phrases

_ROWS_AT_ONCE = 20_000


class DescriptorFeatures(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """The transformer turns columns into sparse rows.

    Parameters
    ----------
    min_rows : int
        A feature becomes a column when it occurs in at least so many rows.

    Attributes
    ----------
    vocabulary_ : ndarray of shape (n_features,), uint32, ascending
        These are the keys of the columns; keys of n-grams inside words are odd.

    """

    def __init__(self, min_rows: int = 3) -> None:
        self.min_rows = min_rows

    def fit(self, X: Columns, y: object = None) -> Self:  # noqa: ARG002, N803
        """Keep the features that occur in at least `min_rows` rows."""
        keys, rows = np.unique(_derive_matrix_parts(X)[1], return_counts=True)
        self.vocabulary_ = keys[rows >= self.min_rows]
        return self

    def transform(self, X: Columns) -> sparse.csr_matrix:  # noqa: N803
        """Return a matrix of shape (n, n_features), float64; repeats within a row are summed."""
        check_is_fitted(self)
        values, keys, starts = _derive_matrix_parts(X)
        columns = np.searchsorted(self.vocabulary_, keys)
        has_column = np.append(self.vocabulary_, np.uint32(0))[columns] == keys
        starts = np.concatenate(([0], np.cumsum(has_column)))[starts]
        matrix = sparse.csr_matrix(
            (values[has_column], columns[has_column], starts), shape=(len(X), len(self.vocabulary_))
        )
        matrix.sum_duplicates()
        return matrix

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        return tags


def _derive_matrix_parts(
    columns: Columns,
) -> tuple[NDArray[np.float64], NDArray[np.uint32], NDArray[np.int64]]:
    """Return values, keys and row starts of all features, including those without a column."""
    parts = [
        _featurize_rows(columns, start, min(start + _ROWS_AT_ONCE, len(columns)))
        for start in range(0, len(columns), _ROWS_AT_ONCE)
    ]
    offsets = np.cumsum([0, *(len(values) for values, _, _ in parts)])
    starts = [part[2][:-1] + offset for part, offset in zip(parts, offsets, strict=False)]
    return (
        np.concatenate([np.empty(0), *(part[0] for part in parts)]),
        np.concatenate([np.empty(0, dtype=np.uint32), *(part[1] for part in parts)]),
        np.concatenate([*starts, offsets[-1:]]),
    )


def _featurize_rows(
    columns: Columns, start: int, stop: int
) -> tuple[NDArray[np.float64], NDArray[np.uint32], NDArray[np.int64]]:
    buffer: Buffer = pack_descriptions(columns.descriptions[start:stop])
    keys = np.empty(len(buffer) * MAX_FEATURES, dtype=np.uint32)
    values = np.empty(len(buffer) * MAX_FEATURES, dtype=np.float64)
    starts = np.empty(len(buffer) + 1, dtype=np.int64)
    total = featurize_rows(
        buffer.text,
        buffer.bounds,
        np.asarray(columns.amounts[start:stop], dtype=np.int64),
        np.asarray(columns.mccs[start:stop], dtype=np.int16),
        encode_currencies(list(columns.currencies[start:stop])),
        load_phrases().phrases,
        keys,
        values,
        starts,
    )
    return values[:total].copy(), keys[:total].copy(), starts
