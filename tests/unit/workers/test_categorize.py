"""Rows of a chunk become columns, and verdicts become what the store writes."""

from __future__ import annotations

import numpy as np

from categorizer.columns import Columns, Verdicts
from tests.support.chunks import chunk
from tests.support.doubles import ConstantScorer
from workers.categorize import score_chunk


class RecordingScorer(ConstantScorer):
    def categorize(self, columns: Columns) -> Verdicts:
        self.given = columns
        return super().categorize(columns)


def test_the_categorizer_is_given_the_rows_of_the_chunk() -> None:
    # Given a chunk in two currencies with one category code of a card scheme
    scorer = RecordingScorer()
    given = chunk(
        3,
        currencies=["GBP", "EUR"],
        currency=bytes([0, 1, 0]),
        mcc=np.array([0, 5411, 0], np.int16).tobytes(),
    )
    # When it is scored
    score_chunk(given, scorer)
    # Then its columns are the rows, in order
    assert scorer.given.descriptions == given.columns["description"]
    assert list(scorer.given.currencies) == ["GBP", "EUR", "GBP"]
    assert scorer.given.amounts.tolist() == [-100, -101, -102]
    assert scorer.given.mccs.tolist() == [0, 5411, 0]
    # And writable, as compiled kernels want them
    assert scorer.given.amounts.flags.writeable
    assert scorer.given.mccs.flags.writeable


def test_rows_without_codes_of_a_card_scheme_have_none() -> None:
    scorer = RecordingScorer()
    score_chunk(chunk(2), scorer)
    assert scorer.given.mccs.tolist() == [0, 0]


def test_the_model_decides_where_the_provider_says_nothing_known() -> None:
    scored = score_chunk(chunk(3, provider_category=[None, "NO_SUCH_CODE", ""]), ConstantScorer())
    assert scored.category == ["FOOD_AND_DRINK_GROCERIES"] * 3
    assert scored.source == ["model"] * 3
    assert scored.confidence.tolist() == [0.5] * 3
    assert scored.needs_review.tolist() == [True] * 3
    assert scored.model_version == 1


def test_a_known_category_of_the_provider_is_certain() -> None:
    scored = score_chunk(chunk(2, provider_category=[None, "INCOME_SALARY"]), ConstantScorer())
    assert scored.category == ["FOOD_AND_DRINK_GROCERIES", "INCOME_SALARY"]
    assert scored.source == ["model", "provider"]
    assert scored.confidence.tolist() == [0.5, 1.0]
    assert scored.needs_review.tolist() == [True, False]


def test_a_chunk_of_removals_alone_is_scored_to_nothing() -> None:
    scored = score_chunk(chunk(0), ConstantScorer())
    assert scored.category == []
    assert len(scored.confidence) == 0
