"""A categorizer of a few lines, for tests of what surrounds the real one.

`python -m tests.support.doubles` is `python -m workers` with it.
"""

from __future__ import annotations

import logging
import os
import resource
import time
from typing import Any, ClassVar

import numpy as np

from categorizer import taxonomy
from categorizer.columns import MODEL, Columns, Verdicts
from pipeline.observe import logs
from pipeline.settings import Settings
from workers import app
from workers.model_slot import ModelSlot

POISON = "POISON"
"""A description that ends the process, as a defect in compiled code would."""
DEFECT = "DEFECT"
"""A description that raises an error nobody foresaw."""
ENDLESS = "ENDLESS"
"""A description that is never finished with."""
GREEDY = "GREEDY"
"""A description that takes more memory than there is."""


class ConstantScorer:
    """Everything is groceries, said with confidence one half."""

    version = 1
    metrics: ClassVar[dict[str, Any]] = {"nobody": {"ece": 0.5}}

    def __init__(self) -> None:
        self.taxonomy = taxonomy.load_taxonomy()
        self.groceries = self.taxonomy.index["FOOD_AND_DRINK_GROCERIES"]

    def categorize(self, columns: Columns) -> Verdicts:
        _misbehave(set(columns.descriptions))
        rows = len(columns)
        return Verdicts(
            codes=np.full(rows, self.groceries, np.int16),
            confidences=np.full(rows, 0.5, np.float32),
            sources=np.full(rows, MODEL, np.uint8),
            needs_review=np.ones(rows, np.bool_),
            merchants=list(columns.descriptions),
            merchant_keys=[text.casefold() for text in columns.descriptions],
        )


def _misbehave(descriptions: set[str]) -> None:
    if POISON in descriptions:
        os._exit(1)
    if DEFECT in descriptions:
        raise ZeroDivisionError
    while ENDLESS in descriptions:
        time.sleep(0.1)
    if GREEDY in descriptions:
        _take_all_memory()


def _take_all_memory() -> None:
    """Ask for more than the process may have; what it had before stays usable."""
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (8 << 30, limits[1]))
    try:
        bytearray(16 << 30)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


if __name__ == "__main__":
    settings = Settings.from_environment()
    logs.configure_logs(settings.log_level)
    status = app.run_worker(settings, lambda _: ModelSlot(ConstantScorer()))
    logging.shutdown()
    os._exit(status)  # as `python -m workers`: the thread of the loop outlives the interpreter
