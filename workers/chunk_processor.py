"""What is done with one chunk: score and store it, and set aside the rows at fault."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Final

import numpy as np

from pipeline.errors import SpendlineError, Transient
from pipeline.observe import metrics as telemetry
from pipeline.observe import tracing
from pipeline.queue.broker import RabbitBroker
from pipeline.transactions.chunk import Chunk
from pipeline.transactions.split import culprits, piece, rest
from workers.categorize import score
from workers.model_slot import ModelSlot
from workers.resources import Resources

_MOST_CULPRITS: Final = 32  # rows of a chunk; when more fail, it is not for what they are


class Defect(SpendlineError):
    """An error nobody foresaw: its kind and place, without its words, which may quote a row."""


class Work:
    """What is done with a chunk; a few bad rows are set aside so that the others are stored."""

    def __init__(self, broker: RabbitBroker, resources: Resources, slot: ModelSlot) -> None:
        self._broker = broker
        self._resources = resources
        self._slot = slot

    def do(self, chunk: Chunk) -> None:
        """Score and store the chunk. Raises a SpendlineError and nothing else."""
        with tracing.span(
            "process chunk",
            "consumer",
            after=chunk.trace,
            chunk_id=chunk.chunk_id,
            rows=len(chunk),
            removals=len(chunk.removed_transaction_id),
            ingests=len(chunk.parts),
        ):
            self._do(chunk)

    def _do(self, chunk: Chunk) -> None:
        try:
            guarded(lambda: self._store(chunk))
        except Transient:
            raise
        except SpendlineError as error:
            others = self._set_aside(chunk, error)
            if others is None:
                raise
            guarded(lambda: self._store(others))

    def _store(self, chunk: Chunk) -> None:
        waited = telemetry.chunk_taken(chunk, self._resources.clock.now())
        tracing.note(queue_seconds=waited)
        began = perf_counter()
        with tracing.span("score"):
            scored = score(chunk, self._slot.scorer)
        telemetry.chunk_scored(scored, began)
        self._resources.commit(chunk, scored)

    def _set_aside(self, chunk: Chunk, error: SpendlineError) -> Chunk | None:
        """Dead-letter the rows at fault and return the others; None: the fault is not theirs.

        Letters first: the ledger would hide the bad rows of a chunk that comes again.
        """
        blamed = culprits(chunk, self._fails, _MOST_CULPRITS) if len(chunk) > 1 else []
        for row in blamed:
            self._broker.bury(piece(chunk, np.array([row])), error)
        return rest(chunk, np.delete(np.arange(len(chunk)), blamed)) if blamed else None

    def _fails(self, chunk: Chunk) -> bool:
        try:
            guarded(lambda: self._rehearse(chunk))
        except Transient:
            raise
        except SpendlineError:
            return True
        return False

    def _rehearse(self, chunk: Chunk) -> None:
        self._resources.rehearse(chunk, score(chunk, self._slot.scorer))


def guarded(work: Callable[[], None]) -> None:
    """Do the work; an error nobody foresaw becomes a Defect."""
    try:
        work()
    except SpendlineError:
        raise
    except Exception as error:  # noqa: BLE001 - told without its words
        frames = reversed(traceback.extract_tb(error.__traceback__)[-3:])
        places = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames)
        told = f"{type(error).__name__} at {places}"
    else:
        return
    raise Defect(told)
