"""The numbers of a trained model are defined here in the form that is stored and served."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from categorizer import taxonomy
from categorizer.errors import CorruptArtifact
from categorizer.kernels.scores import EXPONENT, LANES, ROW_BITS

UNIT: Final = 2.0**-10
"""All weights are multiples of this number."""


@dataclass(frozen=True, slots=True)
class Weights:
    """Each array is stored under its field's name; an index finds the row of a feature, see `scores`."""

    index: NDArray[np.uint32]
    rows: NDArray[np.int8]
    """The shape is (features, 32)."""
    intercepts: NDArray[np.float64]
    """The shape is (18,)."""
    detail_index: NDArray[np.uint32]
    detail_rows: NDArray[np.int8]
    """The shape is (features within primaries, 32)."""
    detail_intercepts: NDArray[np.float64]
    """The shape is (18, 27)."""
    detail_codes: NDArray[np.int16]
    """The detailed codes of each primary, shape (18, 27); -1 fills the rest of a row."""

    @property
    def row_keys(self) -> NDArray[np.uint32]:
        """Return the rows as shape (features, 8); the last column is the key of the feature."""
        return self.rows.view(np.uint32)

    @property
    def detail_row_keys(self) -> NDArray[np.uint32]:
        """Return the detail rows as shape (features within primaries, 8), keys in the last column."""
        return self.detail_rows.view(np.uint32)

    def check_arrays(self) -> None:
        """Raise CorruptArtifact when the arrays do not fit together."""
        primaries = len(taxonomy.load_taxonomy().primaries)
        sound = (
            self.intercepts.shape == (primaries,)
            and self.detail_codes.shape == self.detail_intercepts.shape == (primaries, EXPONENT)
            and self.detail_codes.dtype == np.int16
            and int(self.detail_codes.max()) < len(taxonomy.load_taxonomy().detailed)
            and _is_table(self.index, self.rows)
            and _is_table(self.detail_index, self.detail_rows)
            and bool(np.isfinite(self.intercepts).all())
            and bool(np.isfinite(self.detail_intercepts).all())
        )
        if not sound:
            raise CorruptArtifact("arrays of the model do not fit together")


def _is_table(index: NDArray[np.uint32], rows: NDArray[np.int8]) -> bool:
    """Return whether look-ups end and stay inside the rows, and no shift is too long."""
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
    """Return the weights of rows as floats, shape (features, 27)."""
    steps = UNIT * 2.0 ** rows[:, EXPONENT].astype(np.float64)
    return np.asarray(rows[:, :EXPONENT] * steps[:, None])


def compute_exponents(coef: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the binary exponent of each feature, so that its largest weight fits a signed byte."""
    largest = np.abs(coef).max(axis=0, initial=0.0)
    return np.asarray(np.ceil(np.log2(np.maximum(largest / (127 * UNIT), 1.0))), dtype=np.int64)
