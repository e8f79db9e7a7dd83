"""The shipped model, loaded once."""

from __future__ import annotations

import pytest

from categorizer.scorer import Scorer
from models import evaluate


@pytest.fixture(scope="session")
def scorer() -> Scorer:
    return evaluate.load_model()
