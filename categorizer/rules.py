"""Shared rules settle a category by its merchant category code, without the model."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

MCC_COUNT: Final = 10_000


@dataclass(frozen=True, slots=True)
class Rules:
    """Rules are two arrays of shape (10000,), indexed by merchant category code."""

    mcc_codes: NDArray[np.int16]
    """Index of the detailed code; -1 where the merchant category code settles nothing."""
    mcc_confidences: NDArray[np.float32]

    def is_sound(self, codes: int) -> bool:
        """Return whether shapes fit and every index is below the number of detailed codes."""
        return (
            self.mcc_codes.shape == self.mcc_confidences.shape == (MCC_COUNT,)
            and int(self.mcc_codes.min()) >= -1
            and int(self.mcc_codes.max()) < codes
        )

    def look_up_mccs(
        self, mccs: NDArray[np.int16]
    ) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
        """Return detailed codes, -1 for none, and their confidences, row by row."""
        in_range = np.where((mccs > 0) & (mccs < MCC_COUNT), mccs, 0)
        return self.mcc_codes[in_range], self.mcc_confidences[in_range]
