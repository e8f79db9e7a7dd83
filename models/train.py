"""Training makes the shipped model from the corpus; equal input gives equal bytes."""

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
from categorizer.training.export import export_weights
from models import calibration, dataset
from models.corpus import rows, tables
from models.dataset import Labelled
from models.metrics import summarize_rows

VERSION: Final = 2
"""This number rises with every model that is shipped."""
SEED: Final = 20
RULE_CONFIDENCE: Final = 0.95
"""This is the confidence of a merchant category code that settles the category."""

DEVELOPMENT: Final = Path(__file__).parent / "development"
CALIBRATION_FILES: Final = ("many_banks.csv", "household.csv")


@dataclass(frozen=True, slots=True)
class TrainingSettings:
    """The settings say what is fitted and how strongly it is penalized."""

    min_rows: int = 12
    C: float = 0.002
    detail_C: float = 0.002  # noqa: N815 - scikit-learn's name
    max_iter: int = 40
    tol: float = 1e-3
    withheld: float = 0.5
    """Share of names unknown to the model on which confidence is calibrated."""
    seed: int = SEED


def train_model(folder: Path, settings: TrainingSettings | None = None) -> dict[str, Any]:
    """Train a model, write it to `folder` and return its metrics.

    The model is fitted on the corpus, calibrated on half of the development set and measured on the
    other half. The calibrated model is a second one that knows half of the names. Real people's
    merchants are unknown more often than those of a set that was written from memory.
    """
    used = settings or TrainingSettings()
    learned, measured = split_development()
    line, threshold = calibrate_model(
        fit_model(rows.generate_corpus(used.seed, used.withheld), used), learned
    )
    model = fit_model(rows.generate_corpus(used.seed), used)
    metrics = measure_model(model, measured, line, threshold)
    artifact.save_artifact(folder, collect_arrays(model), describe_model(line, threshold, metrics))
    return metrics


def fit_model(corpus: rows.Corpus, settings: TrainingSettings) -> Categorizer:
    """Fit an estimator on the corpus, on one thread."""
    model = Categorizer(
        min_rows=settings.min_rows,
        C=settings.C,
        detail_C=settings.detail_C,
        max_iter=settings.max_iter,
        tol=settings.tol,
    )
    with threadpool_limits(1):  # one order of sums gives the same bytes on every machine
        return model.fit(corpus.columns, corpus.codes, corpus.weights)


def split_development() -> tuple[Labelled, Labelled]:
    """Return rows to calibrate on and rows to report on; they share no description.

    A hash of the letters of the description decides, so that repeats stay together.
    """
    files = [DEVELOPMENT / name for name in CALIBRATION_FILES]
    labelled = _drop_repeats(dataset.read_labelled([file for file in files if file.exists()], "v1"))
    even = np.array([_sum_letters(text) % 2 == 0 for text in labelled.columns.descriptions])
    return labelled.take_rows(np.flatnonzero(even)), labelled.take_rows(np.flatnonzero(~even))


def calibrate_model(model: Categorizer, labelled: Labelled) -> tuple[Calibration, float]:
    """Return the line from probability to confidence, and the confidence from which to trust it."""
    probabilities = model.predict_primary_proba(labelled.columns).max(axis=1)
    right = _compare_labels(
        labelled, translate_primaries(model.predict(labelled.columns), labelled.columns)
    )
    line = calibration.fit_calibration(probabilities, right)
    return line, calibration.find_threshold(line.calibrate(probabilities), right)


def measure_model(
    model: Categorizer, labelled: Labelled, line: Calibration, threshold: float
) -> dict[str, Any]:
    """Return the figures of each source of the labelled rows."""
    predicted = translate_primaries(model.predict(labelled.columns), labelled.columns)
    confidences = line.calibrate(model.predict_primary_proba(labelled.columns).max(axis=1))
    sources = np.array(labelled.sources)
    return {
        source: _measure_figures(labelled, predicted, confidences, threshold, sources == source)
        for source in sorted(set(labelled.sources))
    }


def collect_arrays(model: Categorizer) -> dict[str, NDArray[Any]]:
    """Return all arrays of the artifact by name."""
    return asdict(export_weights(model)) | asdict(build_rules())


def describe_model(line: Calibration, threshold: float, metrics: dict[str, Any]) -> dict[str, Any]:
    """Return the manifest of a model without the hashes of its files."""
    return {
        **artifact.describe_format(),
        "version": VERSION,
        "calibration": line.as_manifest(),
        "threshold": round(threshold, 6),
        "metrics": metrics,
    }


def build_rules() -> Rules:
    """Return the detailed category that each merchant category code settles, -1 for none."""
    index = taxonomy.load_taxonomy().index
    codes = np.full(MCC_COUNT, -1, dtype=np.int16)
    for row in tables.read_rows("mcc.tsv"):
        if row["decides"] == "rule":
            codes[int(row["mcc"])] = index[row["category"]]
    return Rules(codes, np.where(codes >= 0, RULE_CONFIDENCE, 0).astype(np.float32))


def translate_primaries(codes: NDArray[np.int16], columns: Columns) -> list[str]:
    """Return the primary v1 code of each row from its detailed code and direction."""
    categories = taxonomy.load_taxonomy()
    money_in = (columns.amounts > 0).tolist()
    return [
        categories.to_v1_primary(code, money_in=credit)
        for code, credit in zip(codes.tolist(), money_in, strict=True)
    ]


def _measure_figures(
    labelled: Labelled,
    predicted: list[str],
    confidences: NDArray[np.float64],
    threshold: float,
    chosen: NDArray[np.bool_],
) -> dict[str, Any]:
    at = np.flatnonzero(chosen)
    figures = summarize_rows(
        [labelled.primaries[i] for i in at],
        [predicted[i] for i in at],
        confidences[at],
        confidences[at] < threshold,
    )
    del figures["per_category"], figures["confusion"]
    return figures


def _compare_labels(labelled: Labelled, predicted: list[str]) -> NDArray[np.bool_]:
    return np.array([a == b for a, b in zip(labelled.primaries, predicted, strict=True)])


def _drop_repeats(labelled: Labelled) -> Labelled:
    first: dict[str, int] = {}
    for row, text in enumerate(labelled.columns.descriptions):
        first.setdefault(text, row)
    return labelled.take_rows(np.array(list(first.values()), dtype=np.intp))


def _sum_letters(text: str) -> int:
    return sum(ord(letter) for letter in text.casefold() if letter.isalpha())
