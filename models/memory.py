"""A user's memory holds the merchants whose category the user has corrected or confirmed.

The evaluation measures what such a memory is worth. The caller supplies the facts of a batch's
users; this module only looks them up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from categorizer.columns import MEMORY, USER, Verdicts


class Remembered(NamedTuple):
    """A fact is the category of one merchant of one user."""

    code: int
    """Index into `CategoryTaxonomy.detailed`."""
    money_in: bool
    """The direction that was learnt; it does not apply to money the other way."""
    source: int = MEMORY
    """`USER` for a correction, `MEMORY` for what follows from earlier rows."""
    confidence: float = 0.97


@dataclass(frozen=True, slots=True)
class MerchantMemory:
    """A merchant memory holds the facts of the users of a batch."""

    users: Sequence[str]
    """The user of every row."""
    facts: Mapping[tuple[str, str], Remembered]
    """Facts by user and merchant key; rows without a merchant key are never looked up."""

    def find_facts(
        self, merchant_keys: Sequence[str], amounts: NDArray[np.int64]
    ) -> list[tuple[int, Remembered]]:
        """Return the rows whose merchant is remembered, each with its fact."""
        if not self.facts:
            return []
        candidates = map(self.facts.get, zip(self.users, merchant_keys, strict=True))
        return [
            (row, fact)
            for row, fact in enumerate(candidates)
            if fact is not None and merchant_keys[row] and fact.money_in == (amounts[row] > 0)
        ]


def recall_merchants(
    verdicts: Verdicts, memory: MerchantMemory, amounts: NDArray[np.int64]
) -> None:
    """Replace the verdicts on remembered rows: user > memory > rule and model."""
    for row, fact in memory.find_facts(verdicts.merchant_keys, amounts):
        verdicts.codes[row] = fact.code
        verdicts.sources[row] = fact.source
        verdicts.confidences[row] = 1.0 if fact.source == USER else fact.confidence
        verdicts.needs_review[row] = False
