"""The actors: thin, and quiet about what they were given."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path
from threading import get_ident
from time import monotonic, perf_counter

import dramatiq

from pipeline import messages, telemetry
from pipeline.broker import RabbitBroker
from pipeline.errors import SpendlineError
from pipeline.messages import Chunk
from workers import process
from workers.model_slot import ModelSlot
from workers.resources import Resources


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


def declare_actors(
    broker: RabbitBroker, resources: Resources, slot: ModelSlot, stopwatch: Stopwatch
) -> None:
    """Register what this process does with the chunks of the ingest queue."""

    def work(chunk: Chunk) -> None:
        telemetry.chunk_taken(chunk, resources.clock.now())
        began = perf_counter()
        scored = process.score(chunk, slot.scorer)
        telemetry.chunk_scored(scored, began)
        resources.commit(chunk, scored)

    def categorize(chunk: Chunk) -> None:
        with stopwatch:
            guarded(lambda: work(chunk))

    dramatiq.Actor(
        categorize,
        broker=broker,
        actor_name=messages.ACTOR,
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
