"""The chunks of the pipeline as columns of the categorizer, and its verdicts as scored rows."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from categorizer.columns import PROVIDER, SOURCES, Columns, Verdicts
from categorizer.taxonomy import CategoryTaxonomy
from pipeline.transactions.chunk import Chunk
from pipeline.transactions.rows import Scored


class ServingModel(Protocol):
    """A model that is ready to serve."""

    @property
    def version(self) -> int: ...

    @property
    def metrics(self) -> dict[str, Any]: ...

    @property
    def taxonomy(self) -> CategoryTaxonomy: ...

    def categorize(self, columns: Columns) -> Verdicts: ...


def score_chunk(chunk: Chunk, model: ServingModel) -> Scored:
    """The categories of all rows of the chunk, in the order of its rows.

    A category of the provider goes before rules and model when the taxonomy has it.
    """
    verdicts = model.categorize(_make_columns(chunk))
    codes, sources = verdicts.codes, verdicts.sources
    confidences, needs_review = verdicts.confidences, verdicts.needs_review
    provided = chunk.optional_texts("provider_category")
    if provided is not None:
        index = model.taxonomy.index
        provided_codes = np.array([index.get(code or "", -1) for code in provided], np.int16)
        is_provided = provided_codes >= 0
        codes = np.where(is_provided, provided_codes, codes)
        sources = np.where(is_provided, PROVIDER, sources)
        confidences = np.where(is_provided, np.float32(1), confidences)
        needs_review = needs_review & ~is_provided
    names = [category.code for category in model.taxonomy.detailed]
    return Scored(
        category=[names[code] for code in codes.tolist()],
        confidence=confidences,
        source=[SOURCES[source] for source in sources.tolist()],
        needs_review=needs_review,
        merchant=verdicts.merchants,
        merchant_key=verdicts.merchant_keys,
        model_version=model.version,
    )


def _make_columns(chunk: Chunk) -> Columns:
    """Copy the numbers, because a message is read-only and compiled kernels need writable arrays."""
    return Columns(
        descriptions=chunk.texts("description"),
        amounts=chunk.numbers("amount").copy(),
        mccs=chunk.numbers("mcc").copy(),
        currencies=chunk.row_currencies(),
    )
