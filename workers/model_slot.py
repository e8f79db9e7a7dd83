"""The model in use: loaded and verified before it serves."""

from __future__ import annotations

from pathlib import Path

from workers.categorize import ServingModel

_ROOT = Path(__file__).parent.parent


class ModelSlot:
    """Holds the one scorer of the process; threads take it anew for every chunk."""

    def __init__(self, scorer: ServingModel) -> None:
        self.scorer = scorer

    @classmethod
    def load(cls, folder: str) -> ModelSlot:
        """The model of `folder`, relative to the installation, ready to serve.

        Raises CorruptArtifact or IncompatibleModel.
        """
        from categorizer.scorer import Scorer  # noqa: PLC0415 - numba and scipy take a second

        scorer = Scorer.load(_ROOT / folder)
        scorer.warm()
        return cls(scorer)
