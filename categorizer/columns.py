"""The columns that go into the categorizer and the columns that come out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

SOURCES: Final = ("user", "memory", "rule", "model", "provider")
"""Who decided, most trusted first; `Verdicts.sources` are indices into it."""

USER, MEMORY, RULE, MODEL, PROVIDER = range(5)


@dataclass(frozen=True, slots=True)
class Columns:
    """Transactions by column, all of length n."""

    descriptions: Sequence[str]
    """As the bank sent them, any Unicode."""
    amounts: NDArray[np.int64]
    """Minor units, negative = money out."""
    mccs: NDArray[np.int16]
    """Merchant category codes, 0 = none."""
    currencies: Sequence[str]
    """ISO 4217."""

    def __post_init__(self) -> None:
        lengths = {len(column) for column in (self.amounts, self.mccs, self.currencies)}
        if lengths != {len(self.descriptions)}:
            raise ValueError("columns differ in length")

    def __len__(self) -> int:
        return len(self.descriptions)


@dataclass(frozen=True, slots=True)
class Verdicts:
    """What was decided, row by row in the order of the columns."""

    codes: NDArray[np.int16]
    """Indices into `Taxonomy.detailed`."""
    confidences: NDArray[np.float32]
    """Calibrated probability that the primary category is right."""
    sources: NDArray[np.uint8]
    """Indices into `SOURCES`."""
    needs_review: NDArray[np.bool_]
    merchants: list[str]
    """Readable names."""
    merchant_keys: list[str]
    """Stable names, the same for every spelling of one merchant."""

    def __len__(self) -> int:
        return len(self.codes)


def encode_currencies(currencies: Sequence[str]) -> NDArray[np.int64]:
    """ISO 4217 codes as the numbers that features are made of, 0 for none."""
    numbers = {code: int.from_bytes(code.encode()[:7], "big") for code in set(currencies)}
    return np.fromiter(map(numbers.__getitem__, currencies), np.int64, len(currencies))
