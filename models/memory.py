"""What users taught: merchants whose category a user has corrected or seen confirmed.

The caller gives the facts of a batch's users; here they are only looked up.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from categorizer.columns import MEMORY, USER, Verdicts


class Remembered(NamedTuple):
    """What is facts of one merchant of one user."""

    code: int
    """Index into `Taxonomy.detailed`."""
    money_in: bool
    """Direction it was learnt for; money the other way is another matter."""
    source: int = MEMORY
    """`USER` for a correction, `MEMORY` for what follows from earlier rows."""
    confidence: float = 0.97


@dataclass(frozen=True, slots=True)
class MerchantMemory:
    users: Sequence[str]
    """User of every row."""
    facts: Mapping[tuple[str, str], Remembered]
    """By user and merchant key; rows without a merchant key are never looked up."""

    def find_facts(
        self, merchant_keys: Sequence[str], amounts: NDArray[np.int64]
    ) -> list[tuple[int, Remembered]]:
        """Rows about which something is facts, with it."""
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
    """Replaces the verdicts on rows about which something is facts: user > memory > the rest."""
    for row, fact in memory.find_facts(verdicts.merchant_keys, amounts):
        verdicts.codes[row] = fact.code
        verdicts.sources[row] = fact.source
        verdicts.confidences[row] = 1.0 if fact.source == USER else fact.confidence
        verdicts.needs_review[row] = False
