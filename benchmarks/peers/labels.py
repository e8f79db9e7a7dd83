"""What the peers know: the real merchants, as the shipped model sees them, and a list of brands."""

from __future__ import annotations

import csv
import gzip
from functools import cache
from importlib import resources
from pathlib import Path

import numpy as np

from benchmarks.harness.workload import read_purchases
from categorizer.columns import Columns
from categorizer.scorer import Scorer
from pipeline.settings import Settings


@cache
def label_descriptors() -> tuple[list[str], list[str]]:
    """Distinct descriptors and their detailed codes."""
    texts = sorted({purchase.merchant for purchase in read_purchases()})
    scorer = Scorer.load(Path(Settings.from_environment().model_folder))
    size = len(texts)
    verdicts = scorer.categorize(
        Columns(texts, np.full(size, -1_000), np.zeros(size, np.int16), ["GBP"] * size)
    )
    names = [category.code for category in scorer.taxonomy.detailed]
    return texts, [names[code] for code in verdicts.codes.tolist()]


def read_brands() -> list[tuple[str, str]]:
    """Names and tags of the brand list."""
    packed = resources.files("models.corpus").joinpath("brands.tsv.gz").read_bytes()
    rows = csv.reader(gzip.decompress(packed).decode().splitlines()[1:], delimiter="\t")
    return [(row[0], row[1]) for row in rows if len(row[0]) > 3]
