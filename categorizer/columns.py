"""The categorizer takes transactions as columns and returns verdicts as columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

SOURCES: Final = ("user", "memory", "rule", "model", "provider")
"""The deciders, the most trusted first; `Verdicts.sources` holds indices into it."""

USER, MEMORY, RULE, MODEL, PROVIDER = range(5)


@dataclass(frozen=True, slots=True)
class Columns:
    """Transactions are given as columns, all of length n."""

    descriptions: Sequence[str]
    """The bank's own wording, in any Unicode."""
    amounts: NDArray[np.int64]
    """Integers in minor units; negative amounts are money out."""
    mccs: NDArray[np.int16]
    """Merchant category codes; 0 means that there is none."""
    currencies: Sequence[str]
    """ISO 4217 codes."""

    def __post_init__(self) -> None:
        lengths = {len(column) for column in (self.amounts, self.mccs, self.currencies)}
        if lengths != {len(self.descriptions)}:
            raise ValueError("columns differ in length")

    def __len__(self) -> int:
        return len(self.descriptions)


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Verdicts hold one decision for each row, in the order of the columns."""

    codes: NDArray[np.int16]
    """Indices into `CategoryTaxonomy.detailed`."""
    confidences: NDArray[np.float32]
    """Calibrated probabilities that the primary category is right."""
    sources: NDArray[np.uint8]
    """Indices into `SOURCES`."""
    needs_review: NDArray[np.bool_]
    merchants: list[str]
    """Readable names of the merchants."""
    merchant_keys: list[str]
    """Stable names of the merchants; all spellings of one merchant share a key."""

    def __len__(self) -> int:
        return len(self.codes)


def encode_currencies(currencies: Sequence[str]) -> NDArray[np.int64]:
    """Return ISO 4217 codes as the numbers that features are made of, 0 for no code."""
    numbers = {code: int.from_bytes(code.encode()[:7], "big") for code in set(currencies)}
    return np.fromiter(map(numbers.__getitem__, currencies), np.int64, len(currencies))
