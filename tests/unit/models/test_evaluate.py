"""The shipped model on labelled lines, and the splits that cannot flatter."""

from __future__ import annotations

import numpy as np
import pytest

from categorizer.scorer import Scorer
from models import dataset, evaluate, splits, train
from models.dataset import Labelled


@pytest.fixture(scope="module")
def many_banks() -> Labelled:
    return dataset.read_labelled([train.DEVELOPMENT / "many_banks.csv"], "v1")


def test_the_shipped_model_keeps_its_promises(scorer: Scorer, many_banks: Labelled) -> None:
    figures = evaluate.measure_answers(many_banks, evaluate.answer_rows(scorer, many_banks, "v1"))
    assert figures["accuracy"] > 0.85
    assert figures["macro_f1"] > 0.85
    assert figures["ece"] < 0.08
    assert figures["selected"]["precision"] > 0.9
    assert figures["selected"]["coverage"] > 0.4


def test_unseen_merchants_stand_on_one_side_only(many_banks: Labelled, scorer: Scorer) -> None:
    back = splits.split_by_merchant(many_banks)
    keys = np.array(scorer.categorize(many_banks.columns).merchant_keys)
    assert not {*keys[back]} & {*keys[~back]}
    assert 0.2 < back.mean() < 0.4


def test_what_is_kept_back_in_time_is_later_than_all_else(many_banks: Labelled) -> None:
    back = splits.split_by_date(many_banks)
    dates = np.array(many_banks.dates)
    assert max(dates[~back]) < min(dates[back])


def test_memory_knows_nothing_of_unseen_merchants(many_banks: Labelled, scorer: Scorer) -> None:
    back = splits.split_by_merchant(many_banks)
    seen, unseen = (many_banks.take_rows(np.flatnonzero(side)) for side in (~back, back))
    memory = splits.build_memory(seen, unseen.users)
    keys = scorer.categorize(unseen.columns).merchant_keys
    assert memory.find_facts(keys, unseen.columns.amounts) == []


def test_calibration_and_report_share_no_line() -> None:
    learned, measured = train.split_development()
    assert not {*learned.columns.descriptions} & {*measured.columns.descriptions}
    assert min(len(learned), len(measured)) > 100
