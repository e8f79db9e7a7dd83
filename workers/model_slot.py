"""The model in use, which is loaded and verified before it serves."""

from __future__ import annotations

from pathlib import Path

from workers.categorize import ServingModel

_ROOT = Path(__file__).parent.parent


class ModelSlot:
    """Holds the model of the process; worker threads read it once for every chunk."""

    def __init__(self, scorer: ServingModel) -> None:
        self.scorer = scorer

    @classmethod
    def load(cls, folder: str) -> ModelSlot:
        """Load and warm the model of `folder`, a path relative to the installation.

        Raises CorruptArtifact or IncompatibleModel.
        """
        from categorizer.scorer import Scorer  # noqa: PLC0415 - numba and scipy take a second

        scorer = Scorer.load(_ROOT / folder)
        scorer.warm()
        return cls(scorer)
