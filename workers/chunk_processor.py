"""The processing of one chunk: score and store it, and dead-letter the rows at fault."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path
from time import perf_counter
from typing import Final

import numpy as np

from pipeline.errors import SpendlineError, Transient
from pipeline.observe import tracing
from pipeline.queue.broker import RabbitBroker
from pipeline.transactions.chunk import Chunk
from pipeline.transactions.split import cut_piece, find_culprits, keep_rows
from workers.categorize import score_chunk
from workers.measures import measure_scoring, measure_wait
from workers.model_slot import ModelSlot
from workers.resources import Resources

_MAX_CULPRITS: Final = 32  # when more rows of a chunk fail, the rows are not the cause


class Defect(SpendlineError):
    """An unexpected error by its type and place, without its message, which may quote a row."""


class ChunkProcessor:
    """Scores and stores chunks; a few bad rows of a chunk do not keep the others from the store."""

    def __init__(self, broker: RabbitBroker, resources: Resources, slot: ModelSlot) -> None:
        self._broker = broker
        self._resources = resources
        self._slot = slot

    def process_chunk(self, chunk: Chunk) -> None:
        """Score and store the chunk. Raises no error but SpendlineError."""
        with tracing.open_span(
            "process chunk",
            "consumer",
            after=chunk.trace,
            chunk_id=chunk.chunk_id,
            rows=len(chunk),
            removals=len(chunk.removed_transaction_id),
            ingests=len(chunk.parts),
        ):
            self._process(chunk)

    def _process(self, chunk: Chunk) -> None:
        try:
            run_guarded(lambda: self._store_chunk(chunk))
        except Transient:
            raise
        except SpendlineError as error:
            others = self._set_aside_rows(chunk, error)
            if others is None:
                raise
            run_guarded(lambda: self._store_chunk(others))

    def _store_chunk(self, chunk: Chunk) -> None:
        waited = measure_wait(chunk, self._resources.clock.now())
        tracing.add_attributes(queue_seconds=waited)
        began = perf_counter()
        with tracing.open_span("score"):
            scored = score_chunk(chunk, self._slot.scorer)
        measure_scoring(scored, perf_counter() - began)
        self._resources.store_chunk(chunk, scored)

    def _set_aside_rows(self, chunk: Chunk, error: SpendlineError) -> Chunk | None:
        """Dead-letter the rows at fault and return the other rows; None when no row is at fault.

        The bad rows go first: once the others are in the ledger, a redelivery skips the chunk.
        """
        culprit_rows = (
            find_culprits(chunk, self._is_refused, _MAX_CULPRITS) if len(chunk) > 1 else []
        )
        for row in culprit_rows:
            self._broker.send_dead_letter(cut_piece(chunk, np.array([row])), error)
        return (
            keep_rows(chunk, np.delete(np.arange(len(chunk)), culprit_rows))
            if culprit_rows
            else None
        )

    def _is_refused(self, chunk: Chunk) -> bool:
        try:
            run_guarded(lambda: self._rehearse_chunk(chunk))
        except Transient:
            raise
        except SpendlineError:
            return True
        return False

    def _rehearse_chunk(self, chunk: Chunk) -> None:
        self._resources.rehearse_chunk(chunk, score_chunk(chunk, self._slot.scorer))


def run_guarded(work: Callable[[], None]) -> None:
    """Do the work, and raise an unexpected error as a Defect."""
    try:
        work()
    except SpendlineError:
        raise
    except Exception as error:  # noqa: BLE001 - it becomes a Defect
        frames = reversed(traceback.extract_tb(error.__traceback__)[-3:])
        places = " < ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in frames)
        description = f"{type(error).__name__} at {places}"
    else:
        return
    raise Defect(description)
