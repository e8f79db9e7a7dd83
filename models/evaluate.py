"""An evaluation measures a model on labelled transactions that it has not learned from."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from categorizer import taxonomy
from categorizer.errors import IncompatibleModel
from categorizer.scorer import Scorer
from models.dataset import Labelled, Version
from models.memory import MerchantMemory, recall_merchants
from models.metrics import summarize_rows

SHIPPED: Final = Path(__file__).parent / "shipped"


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers are what a model said of labelled rows, of length n, in the labels' taxonomy."""

    primaries: list[str]
    detailed: list[str]
    confidences: NDArray[np.float64]
    needs_review: NDArray[np.bool_]


def load_model(model: str | None = None) -> Scorer:
    """Return the model in a folder, or the shipped one, chosen by its version or by default.

    Raises CorruptArtifact or IncompatibleModel.
    """
    if model and not model.isdecimal():
        return Scorer.load(Path(model))
    shipped = Scorer.load(SHIPPED)
    if model and int(model) != shipped.version:
        raise IncompatibleModel(f"version {model} is not shipped, {shipped.version} is")
    return shipped


def answer_rows(
    scorer: Scorer, labelled: Labelled, version: Version, memory: MerchantMemory | None = None
) -> Answers:
    """Return the verdicts on all rows; merchants in `memory` get theirs from there."""
    verdicts = scorer.categorize(labelled.columns)
    if memory is not None:
        recall_merchants(verdicts, memory, labelled.columns.amounts)
    to_primary, to_detailed = choose_names(version)
    money_in = (labelled.columns.amounts > 0).tolist()
    rows = list(zip(verdicts.codes.tolist(), money_in, strict=True))
    return Answers(
        primaries=[to_primary(code, credit) for code, credit in rows],
        detailed=[to_detailed(code, credit) for code, credit in rows],
        confidences=verdicts.confidences.astype(np.float64),
        needs_review=verdicts.needs_review,
    )


def measure_answers(labelled: Labelled, answers: Answers) -> dict[str, Any]:
    """Return every figure at primary level; `detailed` holds those of rows with a detailed label."""
    result = summarize_rows(
        labelled.primaries, answers.primaries, answers.confidences, answers.needs_review
    )
    return {**result, "detailed": _measure_detailed(labelled, answers)}


def _measure_detailed(labelled: Labelled, answers: Answers) -> dict[str, Any] | None:
    at = [row for row, label in enumerate(labelled.detailed) if label]
    if not at:
        return None
    result = summarize_rows(
        [labelled.detailed[row] for row in at],
        [answers.detailed[row] for row in at],
        answers.confidences[at],
        answers.needs_review[at],
    )
    return {name: result[name] for name in ("rows", "accuracy", "macro_f1", "per_category")}


def choose_names(version: Version) -> tuple[Callable[[int, bool], str], Callable[[int, bool], str]]:
    """Return functions from a detailed code's index and money in to primary and detailed code."""
    categories = taxonomy.load_taxonomy()
    if version == "v1":
        return (
            lambda code, credit: categories.to_v1_primary(code, money_in=credit),
            lambda code, credit: categories.to_v1(code, money_in=credit),
        )
    return (
        lambda code, _: categories.detailed[code].primary,
        lambda code, _: categories.detailed[code].code,
    )
