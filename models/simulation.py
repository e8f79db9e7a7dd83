"""The simulation plays a user who corrects wrong categories at the end of each month."""

from typing import Any

import numpy as np

from categorizer.scorer import Scorer
from models.dataset import Labelled, Version
from models.evaluate import answer_rows
from models.splits import build_memory


def simulate_years(scorer: Scorer, labelled: Labelled, version: Version) -> dict[str, Any]:
    """Return the accuracy from the second month on: the model alone, and with the user's memory.

    `covered` is the share of rows whose merchant the user has met in an earlier month.
    """
    months = np.array([date[:7] for date in labelled.dates])
    parts = [
        _simulate_month(scorer, labelled, months, month, version) for month in np.unique(months)[1:]
    ]
    rows, alone, remembered, covered = np.sum(parts, axis=0).tolist()
    return {
        "rows": rows,
        "model": alone / rows,
        "memory": remembered / rows,
        "covered": covered / rows,
    }


def _simulate_month(
    scorer: Scorer, labelled: Labelled, months: Any, month: str, version: Version
) -> list[int]:
    past = labelled.take_rows(np.flatnonzero(months < month))
    now = labelled.take_rows(np.flatnonzero(months == month))
    memory = build_memory(past, now.users)
    keys = scorer.categorize(now.columns).merchant_keys
    facts = memory.find_facts(keys, now.columns.amounts)
    alone = answer_rows(scorer, now, version).primaries
    remembered = answer_rows(scorer, now, version, memory).primaries
    return [len(now), _count_hits(now, alone), _count_hits(now, remembered), len(facts)]


def _count_hits(labelled: Labelled, predicted: list[str]) -> int:
    return sum(a == b for a, b in zip(labelled.primaries, predicted, strict=True))
