"""The calibration says how much the model's probability is worth, as a rising line of points."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Calibration:
    """A rising line maps the probability of the likeliest primary to a confidence."""

    probabilities: Floats
    """The probabilities ascend; the shape is (points,)."""
    confidences: Floats
    """The confidences lie between 0 and 1; the shape is (points,)."""

    @classmethod
    def from_manifest(cls, entry: Mapping[str, Sequence[float]]) -> Self:
        """Read what `as_manifest` wrote; raises KeyError, TypeError or ValueError."""
        return cls(
            np.array(entry["confidence"], dtype=np.float64),
            np.array(entry["calibrated"], dtype=np.float64),
        )

    def as_manifest(self) -> dict[str, list[float]]:
        """Return the points as the manifest of a model holds them, with six decimals."""
        return {
            "confidence": [round(float(value), 6) for value in self.probabilities],
            "calibrated": [round(float(value), 6) for value in self.confidences],
        }

    def is_sound(self) -> bool:
        """Return whether there are points, they rise in probability, and confidences are in 0 to 1."""
        return (
            len(self.probabilities) == len(self.confidences) >= 2
            and bool((np.diff(self.probabilities) > 0).all())
            and bool(((self.confidences >= 0) & (self.confidences <= 1)).all())
        )

    def calibrate(self, probabilities: Floats) -> Floats:
        """Return the confidence of each probability; both have the shape (n,)."""
        return np.interp(probabilities, self.probabilities, self.confidences)
