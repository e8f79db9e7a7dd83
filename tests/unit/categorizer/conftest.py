"""A small model, fitted on the names of the categories, saved as a folder."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings

from categorizer import phrases as wordings
from categorizer import taxonomy, weights
from categorizer.columns import Columns
from categorizer.scorer import Scorer
from categorizer.training.estimator import Categorizer
from categorizer.training.export import export

settings.register_profile(
    "busy machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("busy machine")

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
    exported = export(model)
    arrays = {name: getattr(exported, name) for name in weights.names()}
    arrays["mcc_codes"] = np.full(10_000, -1, dtype=np.int16)
    arrays["mcc_confidences"] = np.zeros(10_000, dtype=np.float32)
    arrays["mcc_codes"][FAST_FOOD_MCC] = taxonomy.load().fold("FOOD_AND_DRINK_FAST_FOOD")
    arrays["mcc_confidences"][FAST_FOOD_MCC] = 0.95
    files = {}
    for name, array in arrays.items():
        np.save(folder / f"{name}.npy", array)
        content = (folder / f"{name}.npy").read_bytes()
        files[f"{name}.npy"] = hashlib.sha256(content).hexdigest()
    manifest = {
        "format": 1,
        "version": 3,
        "taxonomy": {"version": 2, "hash": taxonomy.load().content_hash},
        "features": {
            "version": wordings.FEATURES_VERSION,
            "wordings": wordings.load().content_hash,
        },
        "calibration": {"confidence": [0.0, 1.0], "calibrated": [0.0, 0.5]},
        "threshold": threshold,
        "metrics": {},
        "files": files,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture(scope="session")
def examples():
    """Texts and amounts of every category, with their codes."""
    categories = taxonomy.load().detailed
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
