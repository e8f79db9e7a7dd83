"""What a user has taught decides before rules and model."""

from __future__ import annotations

import numpy as np

from categorizer.columns import MEMORY, MODEL, RULE, USER, Verdicts
from models.memory import MerchantMemory, Remembered, recall_merchants

COFFEE, GROCERIES, GUESS = 1, 2, 3


def verdicts_on(merchant_keys: list[str], source: int) -> Verdicts:
    size = len(merchant_keys)
    return Verdicts(
        codes=np.full(size, GUESS, np.int16),
        confidences=np.full(size, 0.5, np.float32),
        sources=np.full(size, source, np.uint8),
        needs_review=np.ones(size, np.bool_),
        merchants=[key.title() for key in merchant_keys],
        merchant_keys=merchant_keys,
    )


def test_user_beats_memory_beats_the_rest() -> None:
    # Given what Ann corrected and what follows from her earlier rows
    verdicts = verdicts_on(["bluebottle", "aldi", "tesco"], RULE)
    memory = MerchantMemory(
        ["ann"] * 3,
        {
            ("ann", "bluebottle"): Remembered(COFFEE, False, USER),
            ("ann", "aldi"): Remembered(GROCERIES, False),
        },
    )
    # When her memory is asked
    recall_merchants(verdicts, memory, np.full(3, -100))
    # Then it decides where it can, without a review
    assert verdicts.sources.tolist() == [USER, MEMORY, RULE]
    assert verdicts.codes.tolist() == [COFFEE, GROCERIES, GUESS]
    assert verdicts.confidences[0] == 1.0
    assert verdicts.needs_review.tolist() == [False, False, True]


def test_a_user_learns_nothing_from_another() -> None:
    verdicts = verdicts_on(["lidl"], MODEL)
    memory = MerchantMemory(["ann"], {("bob", "lidl"): Remembered(GROCERIES, False, USER)})
    recall_merchants(verdicts, memory, np.array([-100]))
    assert verdicts.sources.tolist() == [MODEL]


def test_money_the_other_way_is_not_remembered() -> None:
    verdicts = verdicts_on(["aldi"], MODEL)
    memory = MerchantMemory(["ann"], {("ann", "aldi"): Remembered(GROCERIES, False)})
    recall_merchants(verdicts, memory, np.array([900]))
    assert verdicts.sources.tolist() == [MODEL]


def test_a_row_without_merchant_is_never_remembered() -> None:
    verdicts = verdicts_on([""], MODEL)
    memory = MerchantMemory(["ann"], {("ann", ""): Remembered(GROCERIES, False, USER)})
    recall_merchants(verdicts, memory, np.array([-100]))
    assert verdicts.sources.tolist() == [MODEL]
