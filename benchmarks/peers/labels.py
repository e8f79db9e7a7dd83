"""Labelled descriptors for the peers' models: the real merchants, as the shipped model sees them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from benchmarks.workload import real_purchases
from categorizer.columns import Columns
from categorizer.scorer import Scorer
from pipeline.settings import Settings


@cache
def labelled() -> tuple[list[str], list[str]]:
    """Distinct descriptors and their detailed codes."""
    texts = sorted({purchase.merchant for purchase in real_purchases()})
    scorer = Scorer.load(Path(Settings.from_environment().model_folder))
    size = len(texts)
    verdicts = scorer.categorize(
        Columns(texts, np.full(size, -1_000), np.zeros(size, np.int16), ["GBP"] * size)
    )
    names = [category.code for category in scorer.taxonomy.detailed]
    return texts, [names[code] for code in verdicts.codes.tolist()]
