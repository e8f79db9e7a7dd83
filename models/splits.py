"""Three ways to keep rows back, from the most flattering to the least, and who is measured on them.

A random split lets a merchant stand on both sides; the other two do not, or only as time allows.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from categorizer import taxonomy
from categorizer.normalize import normalize
from categorizer.scorer import Scorer
from categorizer.training.estimator import Categorizer
from models.dataset import Labelled, Version
from models.evaluate import Answers, answer, names
from models.memory import MerchantMemory, Remembered
from models.metrics import summary

KEPT_BACK: Final = 0.3
SEED: Final = 7
FIGURES: Final = ("rows", "accuracy", "macro_f1", "coverage_at_95")

Mask = NDArray[np.bool_]


def random_rows(labelled: Labelled) -> Mask:
    return np.random.default_rng(SEED).random(len(labelled)) < KEPT_BACK


def unseen_merchants(labelled: Labelled) -> Mask:
    """All rows of a merchant are on one side."""
    keys = np.array(normalize(labelled.columns.descriptions).keys)
    distinct, merchant = np.unique(keys, return_inverse=True)
    back = np.random.default_rng(SEED).random(len(distinct)) < KEPT_BACK
    return np.asarray(back[merchant])


def forward_in_time(labelled: Labelled) -> Mask:
    """The latest rows are kept back; those of one day are on one side."""
    dates = np.array(labelled.dates)
    return np.asarray(dates > np.sort(dates)[int(len(dates) * (1 - KEPT_BACK))])


SPLITS: Final[dict[str, Callable[[Labelled], Mask]]] = {
    "random": random_rows,
    "unseen_merchant": unseen_merchants,
    "forward_in_time": forward_in_time,
}


def side_by_side(
    scorer: Scorer, labelled: Labelled, version: Version
) -> dict[str, dict[str, dict[str, float]]]:
    """Split -> who -> figures of the rows kept back.

    `model` is the model as it is; `memory` is the same with what users taught in the other rows;
    `labels_alone` is a model that has learned from nothing but the other rows.
    """
    return {
        name: _contest(scorer, labelled, split(labelled), version) for name, split in SPLITS.items()
    }


def memory_of(labelled: Labelled, users: list[str]) -> MerchantMemory:
    """What users know of merchants after the given rows; the last row of a merchant counts."""
    known = taxonomy.load()
    keys = normalize(labelled.columns.descriptions).keys
    money_in = (labelled.columns.amounts > 0).tolist()
    facts = {
        (user, key): Remembered(known.fold(label), credit)
        for user, key, label, credit in zip(
            labelled.users, keys, labelled.primaries, money_in, strict=True
        )
    }
    return MerchantMemory(users, facts)


def _contest(
    scorer: Scorer, labelled: Labelled, back: Mask, version: Version
) -> dict[str, dict[str, float]]:
    seen, unseen = labelled.take(np.flatnonzero(~back)), labelled.take(np.flatnonzero(back))
    remembered = memory_of(seen, unseen.users)
    return {
        "model": _figures(unseen, answer(scorer, unseen, version)),
        "memory": _figures(unseen, answer(scorer, unseen, version, remembered)),
        "labels_alone": _figures(unseen, _labels_alone(seen, unseen, version)),
    }


def _labels_alone(seen: Labelled, unseen: Labelled, version: Version) -> Answers:
    known = taxonomy.load()
    codes = np.array([known.fold(label) for label in seen.primaries])
    model = Categorizer(min_rows=1, max_iter=40).fit(seen.columns, codes)
    to_primary, to_detailed = names(version)
    money_in = (unseen.columns.amounts > 0).tolist()
    rows = list(zip(model.predict(unseen.columns).tolist(), money_in, strict=True))
    return Answers(
        primaries=[to_primary(code, credit) for code, credit in rows],
        detailed=[to_detailed(code, credit) for code, credit in rows],
        confidences=model.predict_primary_proba(unseen.columns).max(axis=1),
        needs_review=np.zeros(len(unseen), dtype=np.bool_),
    )


def _figures(labelled: Labelled, answers: Answers) -> dict[str, Any]:
    result = summary(
        labelled.primaries, answers.primaries, answers.confidences, answers.needs_review
    )
    return {name: result[name] for name in FIGURES}
