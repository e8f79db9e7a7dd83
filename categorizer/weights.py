"""The numbers of a trained model in the form in which they are stored and served."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from categorizer import taxonomy
from categorizer.errors import CorruptArtifact
from categorizer.kernels.scores import EXPONENT, LANES, ROW_BITS

UNIT: Final = 2.0**-10
"""Weights are multiples of this."""


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

    def check_arrays(self) -> None:
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


def decode_weights(rows: NDArray[np.int8]) -> NDArray[np.float64]:
    """Weights of rows, shape (features, 27)."""
    steps = UNIT * 2.0 ** rows[:, EXPONENT].astype(np.float64)
    return np.asarray(rows[:, :EXPONENT] * steps[:, None])


def compute_exponents(coef: NDArray[np.float64]) -> NDArray[np.int64]:
    """Binary exponent of every feature's weights, so that the largest fits a signed byte."""
    largest = np.abs(coef).max(axis=0, initial=0.0)
    return np.asarray(np.ceil(np.log2(np.maximum(largest / (127 * UNIT), 1.0))), dtype=np.int64)
