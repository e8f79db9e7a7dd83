"""What the model's probability is worth: a rising line of points."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Calibration:
    """Points of a line from the probability of the likeliest primary to the confidence."""

    probabilities: Floats
    """Ascending, shape (points,)."""
    confidences: Floats
    """Between 0 and 1, shape (points,)."""

    @classmethod
    def from_manifest(cls, entry: Mapping[str, Sequence[float]]) -> Self:
        """Reads what `as_manifest` wrote; raises KeyError, TypeError or ValueError."""
        return cls(
            np.array(entry["confidence"], dtype=np.float64),
            np.array(entry["calibrated"], dtype=np.float64),
        )

    def as_manifest(self) -> dict[str, list[float]]:
        """The points as the manifest of a model holds them."""
        return {
            "confidence": [round(float(value), 6) for value in self.probabilities],
            "calibrated": [round(float(value), 6) for value in self.confidences],
        }

    def is_sound(self) -> bool:
        """Whether the line has points, rises from left to right and stays within 0 and 1."""
        return (
            len(self.probabilities) == len(self.confidences) >= 2
            and bool((np.diff(self.probabilities) > 0).all())
            and bool(((self.confidences >= 0) & (self.confidences <= 1)).all())
        )

    def calibrate(self, probabilities: Floats) -> Floats:
        """The confidence of each probability, shape (n,) both."""
        return np.interp(probabilities, self.probabilities, self.confidences)
