"""A small model, fitted on the names of the categories, saved as a folder."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from categorizer import artifact, taxonomy
from categorizer.columns import Columns
from categorizer.rules import MCC_COUNT, Rules
from categorizer.scorer import Scorer
from categorizer.training.estimator import Categorizer
from categorizer.training.export import export_weights

FAST_FOOD_MCC = 5814


def columns(descriptions, amounts=None, mccs=None, currencies=None):
    size = len(descriptions)
    return Columns(
        descriptions,
        np.full(size, -1250) if amounts is None else np.array(amounts, dtype=np.int64),
        np.zeros(size, np.int16) if mccs is None else np.array(mccs, dtype=np.int16),
        ["USD"] * size if currencies is None else currencies,
    )


def write_model(folder: Path, model: Categorizer, threshold: float = 0.5) -> Path:
    rules = Rules(np.full(MCC_COUNT, -1, np.int16), np.zeros(MCC_COUNT, np.float32))
    rules.mcc_codes[FAST_FOOD_MCC] = taxonomy.load_taxonomy().fold_code("FOOD_AND_DRINK_FAST_FOOD")
    rules.mcc_confidences[FAST_FOOD_MCC] = 0.95
    manifest = {
        **artifact.describe_format(),
        "version": 3,
        "calibration": {"confidence": [0.0, 1.0], "calibrated": [0.0, 0.5]},
        "threshold": threshold,
        "metrics": {},
    }
    artifact.save_artifact(folder, asdict(export_weights(model)) | asdict(rules), manifest)
    return folder


@pytest.fixture(scope="session")
def examples():
    """Texts and amounts of every category, with their codes."""
    categories = taxonomy.load_taxonomy().detailed
    texts = [c.name for c in categories] + [f"{c.name} {c.description}" for c in categories]
    incoming = {"INCOME", "TRANSFER_IN", "LOAN_DISBURSEMENTS"}
    amounts = [90_000 if c.primary in incoming else -1_250 for c in categories]
    return columns(texts, amounts * 2), np.tile(np.arange(len(categories)), 2)


@pytest.fixture(scope="session")
def estimator(examples):
    return Categorizer(min_rows=1, C=50.0, detail_C=50.0, max_iter=500, tol=1e-2).fit(*examples)


@pytest.fixture(scope="session")
def folder(estimator, tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("model"), estimator)


@pytest.fixture(scope="session")
def scorer(folder):
    return Scorer.load(folder)
