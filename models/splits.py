"""Rows are kept back in three ways, from the most flattering to the least.

A random split has rows of one merchant on both sides. A split by merchant never has, and a split
by date only where a merchant occurs early and late.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from categorizer import taxonomy
from categorizer.normalize import normalize_descriptions
from categorizer.scorer import Scorer
from categorizer.training.estimator import Categorizer
from models.dataset import Labelled, Version
from models.evaluate import Answers, answer_rows, choose_names
from models.memory import MerchantMemory, Remembered
from models.metrics import summarize_rows

KEPT_BACK: Final = 0.3
SEED: Final = 7
FIGURES: Final = ("rows", "accuracy", "macro_f1", "coverage_at_95")

Mask = NDArray[np.bool_]


def split_randomly(labelled: Labelled) -> Mask:
    """Return which rows are kept back, drawn at random."""
    return np.random.default_rng(SEED).random(len(labelled)) < KEPT_BACK


def split_by_merchant(labelled: Labelled) -> Mask:
    """Return which rows are kept back; all rows of a merchant are on one side."""
    keys = np.array(normalize_descriptions(labelled.columns.descriptions).keys)
    distinct, merchant = np.unique(keys, return_inverse=True)
    back = np.random.default_rng(SEED).random(len(distinct)) < KEPT_BACK
    return np.asarray(back[merchant])


def split_by_date(labelled: Labelled) -> Mask:
    """Return which rows are kept back: the latest; all rows of a day are on one side."""
    dates = np.array(labelled.dates)
    return np.asarray(dates > np.sort(dates)[int(len(dates) * (1 - KEPT_BACK))])


SPLITS: Final[dict[str, Callable[[Labelled], Mask]]] = {
    "random": split_randomly,
    "unseen_merchant": split_by_merchant,
    "forward_in_time": split_by_date,
}


def compare_splits(
    scorer: Scorer, labelled: Labelled, version: Version
) -> dict[str, dict[str, dict[str, float]]]:
    """Return the figures of the rows kept back, by split and by contestant.

    `model` is the model as it is. `memory` is the model with what users taught in the other rows.
    `labels_alone` is a model that has learned only from the other rows.
    """
    return {
        name: _compare_answers(scorer, labelled, split(labelled), version)
        for name, split in SPLITS.items()
    }


def build_memory(labelled: Labelled, users: list[str]) -> MerchantMemory:
    """Return what users know of merchants after these rows; a merchant's last row counts."""
    categories = taxonomy.load_taxonomy()
    keys = normalize_descriptions(labelled.columns.descriptions).keys
    money_in = (labelled.columns.amounts > 0).tolist()
    facts = {
        (user, key): Remembered(categories.fold_code(label), credit)
        for user, key, label, credit in zip(
            labelled.users, keys, labelled.primaries, money_in, strict=True
        )
    }
    return MerchantMemory(users, facts)


def _compare_answers(
    scorer: Scorer, labelled: Labelled, back: Mask, version: Version
) -> dict[str, dict[str, float]]:
    seen, unseen = (
        labelled.take_rows(np.flatnonzero(~back)),
        labelled.take_rows(np.flatnonzero(back)),
    )
    remembered = build_memory(seen, unseen.users)
    return {
        "model": _measure_figures(unseen, answer_rows(scorer, unseen, version)),
        "memory": _measure_figures(unseen, answer_rows(scorer, unseen, version, remembered)),
        "labels_alone": _measure_figures(unseen, _answer_by_labels(seen, unseen, version)),
    }


def _answer_by_labels(seen: Labelled, unseen: Labelled, version: Version) -> Answers:
    categories = taxonomy.load_taxonomy()
    codes = np.array([categories.fold_code(label) for label in seen.primaries])
    model = Categorizer(min_rows=1, max_iter=40).fit(seen.columns, codes)
    to_primary, to_detailed = choose_names(version)
    money_in = (unseen.columns.amounts > 0).tolist()
    rows = list(zip(model.predict(unseen.columns).tolist(), money_in, strict=True))
    return Answers(
        primaries=[to_primary(code, credit) for code, credit in rows],
        detailed=[to_detailed(code, credit) for code, credit in rows],
        confidences=model.predict_primary_proba(unseen.columns).max(axis=1),
        needs_review=np.zeros(len(unseen), dtype=np.bool_),
    )


def _measure_figures(labelled: Labelled, answers: Answers) -> dict[str, Any]:
    result = summarize_rows(
        labelled.primaries, answers.primaries, answers.confidences, answers.needs_review
    )
    return {name: result[name] for name in FIGURES}
