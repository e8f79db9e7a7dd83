"""The bridge between the chunks of the pipeline and the columns of the categorizer."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from categorizer.columns import PROVIDER, SOURCES, Columns, Verdicts
from categorizer.taxonomy import Taxonomy
from pipeline.transactions.chunk import Chunk
from pipeline.transactions.rows import Scored


class Scorer(Protocol):
    """A model that is ready to serve."""

    @property
    def version(self) -> int: ...

    @property
    def metrics(self) -> dict[str, Any]: ...

    @property
    def taxonomy(self) -> Taxonomy: ...

    def categorize(self, columns: Columns) -> Verdicts: ...


def score(chunk: Chunk, scorer: Scorer) -> Scored:
    """Categories of all rows of the chunk, in its order.

    A category given by the provider is taken when the taxonomy knows it, before rules and model.
    """
    verdicts = scorer.categorize(_columns(chunk))
    codes, sources = verdicts.codes, verdicts.sources
    confidences, needs_review = verdicts.confidences, verdicts.needs_review
    provided = chunk.optional_texts("provider_category")
    if provided is not None:
        index = scorer.taxonomy.index
        given = np.array([index.get(code or "", -1) for code in provided], np.int16)
        known = given >= 0
        codes = np.where(known, given, codes)
        sources = np.where(known, PROVIDER, sources)
        confidences = np.where(known, np.float32(1), confidences)
        needs_review = needs_review & ~known
    names = [category.code for category in scorer.taxonomy.detailed]
    return Scored(
        category=[names[code] for code in codes.tolist()],
        confidence=confidences,
        source=[SOURCES[source] for source in sources.tolist()],
        needs_review=needs_review,
        merchant=verdicts.merchants,
        merchant_key=verdicts.merchant_keys,
        model_version=scorer.version,
    )


def _columns(chunk: Chunk) -> Columns:
    """Numbers are copied: compiled kernels take no read-only arrays, and a message's bytes are."""
    return Columns(
        descriptions=chunk.texts("description"),
        amounts=chunk.numbers("amount").copy(),
        mccs=chunk.numbers("mcc").copy(),
        currencies=chunk.row_currencies(),
    )
