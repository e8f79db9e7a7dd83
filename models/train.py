"""Trains the shipped model: corpus in, verified folder out. Seeded: the same input, the same bytes."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from categorizer import artifact, taxonomy
from categorizer.calibration import Calibration
from categorizer.columns import Columns
from categorizer.rules import MCC_COUNT, Rules
from categorizer.training.estimator import Categorizer
from categorizer.training.export import export
from models import calibration, dataset
from models.corpus import rows, tables
from models.dataset import Labelled
from models.metrics import summary

VERSION: Final = 2
"""Raised with every model that is shipped."""
SEED: Final = 20
RULE_CONFIDENCE: Final = 0.95
"""What a merchant category code that settles the category is worth."""

DEVELOPMENT: Final = Path(__file__).parent / "development"
CALIBRATION_FILES: Final = ("many_banks.csv", "household.csv")


@dataclass(frozen=True, slots=True)
class Settings:
    """What is fitted, and how hard."""

    min_rows: int = 12
    C: float = 0.002
    detail_C: float = 0.002  # noqa: N815 - scikit-learn's name
    max_iter: int = 40
    tol: float = 1e-3
    withheld: float = 0.5
    """Share of names unknown to the model on which confidence is calibrated."""
    seed: int = SEED


def train(folder: Path, settings: Settings | None = None) -> dict[str, Any]:
    """Fits on the corpus, calibrates on half of the development set, measures on the other half.

    What is calibrated is a model of half the names: real people's merchants are strangers more
    often than those of a set that was written from memory. Writes the model to `folder` and
    returns its metrics.
    """
    used = settings or Settings()
    learned, measured = calibration_halves()
    line, threshold = calibrate(fit(rows.generate(used.seed, used.withheld), used), learned)
    model = fit(rows.generate(used.seed), used)
    metrics = measure(model, measured, line, threshold)
    artifact.save(folder, arrays(model), manifest(line, threshold, metrics))
    return metrics


def fit(corpus: rows.Corpus, settings: Settings) -> Categorizer:
    model = Categorizer(
        min_rows=settings.min_rows,
        C=settings.C,
        detail_C=settings.detail_C,
        max_iter=settings.max_iter,
        tol=settings.tol,
    )
    with threadpool_limits(1):  # sums in one order: the same bytes on every machine
        return model.fit(corpus.columns, corpus.codes, corpus.weights)


def calibration_halves() -> tuple[Labelled, Labelled]:
    """Rows to calibrate on and rows to report on; a merchant's line is never in both.

    The split is by a hash of the letters of the description, so that repeats stay together.
    """
    files = [DEVELOPMENT / name for name in CALIBRATION_FILES]
    labelled = _distinct(dataset.read([file for file in files if file.exists()], "v1"))
    even = np.array([_letters_sum(text) % 2 == 0 for text in labelled.columns.descriptions])
    return labelled.take(np.flatnonzero(even)), labelled.take(np.flatnonzero(~even))


def calibrate(model: Categorizer, labelled: Labelled) -> tuple[Calibration, float]:
    """The line from probability to confidence, and the confidence from which to trust it."""
    probabilities = model.predict_primary_proba(labelled.columns).max(axis=1)
    right = _right(labelled, v1_primaries(model.predict(labelled.columns), labelled.columns))
    line = calibration.fit(probabilities, right)
    return line, calibration.threshold(line.calibrate(probabilities), right)


def measure(
    model: Categorizer, labelled: Labelled, line: Calibration, threshold: float
) -> dict[str, Any]:
    """Figures of each source of the labelled rows."""
    predicted = v1_primaries(model.predict(labelled.columns), labelled.columns)
    confidences = line.calibrate(model.predict_primary_proba(labelled.columns).max(axis=1))
    sources = np.array(labelled.sources)
    return {
        source: _figures(labelled, predicted, confidences, threshold, sources == source)
        for source in sorted(set(labelled.sources))
    }


def arrays(model: Categorizer) -> dict[str, NDArray[Any]]:
    """Everything that the scorer maps into memory."""
    return asdict(export(model)) | asdict(mcc_rules())


def manifest(line: Calibration, threshold: float, metrics: dict[str, Any]) -> dict[str, Any]:
    return {
        **artifact.describe_format(),
        "version": VERSION,
        "calibration": line.as_manifest(),
        "threshold": round(threshold, 6),
        "metrics": metrics,
    }


def mcc_rules() -> Rules:
    """For each merchant category code the detailed category that it settles, or -1."""
    index = taxonomy.load().index
    codes = np.full(MCC_COUNT, -1, dtype=np.int16)
    for row in tables.rows("mcc.tsv"):
        if row["decides"] == "rule":
            codes[int(row["mcc"])] = index[row["category"]]
    return Rules(codes, np.where(codes >= 0, RULE_CONFIDENCE, 0).astype(np.float32))


def v1_primaries(codes: NDArray[np.int16], columns: Columns) -> list[str]:
    known = taxonomy.load()
    money_in = (columns.amounts > 0).tolist()
    return [
        known.to_v1_primary(code, money_in=credit)
        for code, credit in zip(codes.tolist(), money_in, strict=True)
    ]


def _figures(
    labelled: Labelled,
    predicted: list[str],
    confidences: NDArray[np.float64],
    threshold: float,
    chosen: NDArray[np.bool_],
) -> dict[str, Any]:
    at = np.flatnonzero(chosen)
    figures = summary(
        [labelled.primaries[i] for i in at],
        [predicted[i] for i in at],
        confidences[at],
        confidences[at] < threshold,
    )
    del figures["per_category"], figures["confusion"]
    return figures


def _right(labelled: Labelled, predicted: list[str]) -> NDArray[np.bool_]:
    return np.array([a == b for a, b in zip(labelled.primaries, predicted, strict=True)])


def _distinct(labelled: Labelled) -> Labelled:
    first: dict[str, int] = {}
    for row, text in enumerate(labelled.columns.descriptions):
        first.setdefault(text, row)
    return labelled.take(np.array(list(first.values()), dtype=np.intp))


def _letters_sum(text: str) -> int:
    return sum(ord(letter) for letter in text.casefold() if letter.isalpha())
