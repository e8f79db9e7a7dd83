"""The actors: thin, and quiet about what they were given."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path
from threading import get_ident
from time import monotonic, perf_counter
from typing import Final

import dramatiq
import numpy as np

from pipeline.errors import SpendlineError, Transient
from pipeline.observe import tracing
from pipeline.queue.broker import RabbitBroker
from pipeline.transactions.chunk import Chunk
from pipeline.transactions.envelope import ACTOR
from pipeline.transactions.split import culprits, piece, rest
from workers import categorize as process
from workers.measures import measure_scoring, measure_wait
from workers.model_slot import ModelSlot
from workers.resources import Resources

_MOST_CULPRITS: Final = 32  # rows of a chunk; when more fail, it is not for what they are


class Defect(SpendlineError):
    """An error nobody foresaw: its kind and place, without its words, which may quote a row."""


class Stopwatch:
    """Since when each worker thread has been at its chunk."""

    def __init__(self) -> None:
        self._since: dict[int, float] = {}

    def __enter__(self) -> None:
        self._since[get_ident()] = monotonic()

    def __exit__(self, *_: object) -> None:
        del self._since[get_ident()]

    def longest(self) -> float:
        """Seconds of the oldest chunk in work."""
        now = monotonic()
        return max((now - since for since in list(self._since.values())), default=0.0)


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
        waited = measure_wait(chunk, self._resources.clock.now())
        tracing.note(queue_seconds=waited)
        began = perf_counter()
        with tracing.span("score"):
            scored = process.score(chunk, self._slot.scorer)
        measure_scoring(scored, perf_counter() - began)
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
        self._resources.rehearse(chunk, process.score(chunk, self._slot.scorer))


def declare_actors(broker: RabbitBroker, work: Work, stopwatch: Stopwatch) -> None:
    """Register what this process does with the chunks of the ingest queue."""

    def categorize(chunk: Chunk) -> None:
        with stopwatch:
            work.do(chunk)

    dramatiq.Actor(
        categorize,
        broker=broker,
        actor_name=ACTOR,
        queue_name=broker.names.ingest,
        priority=0,
        options={"throws": SpendlineError},  # dramatiq then logs no traceback, which quotes too
    )


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
