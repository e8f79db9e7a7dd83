"""The actors of a worker process: thin functions that hand each chunk to its processor."""

from __future__ import annotations

from threading import get_ident
from time import monotonic

import dramatiq

from pipeline.errors import SpendlineError
from pipeline.queue.broker import RabbitBroker
from pipeline.transactions.chunk import Chunk
from pipeline.transactions.envelope import ACTOR
from workers.chunk_processor import ChunkProcessor


class Stopwatch:
    """How long each worker thread has worked on its present chunk."""

    def __init__(self) -> None:
        self._since: dict[int, float] = {}

    def __enter__(self) -> None:
        self._since[get_ident()] = monotonic()

    def __exit__(self, *_: object) -> None:
        del self._since[get_ident()]

    def measure_longest(self) -> float:
        """Seconds since the oldest chunk in work began; 0 when there is none."""
        now = monotonic()
        return max((now - since for since in list(self._since.values())), default=0.0)


def declare_actors(broker: RabbitBroker, work: ChunkProcessor, stopwatch: Stopwatch) -> None:
    """Register the actor of the ingest queue."""

    def categorize(chunk: Chunk) -> None:
        with stopwatch:
            work.process_chunk(chunk)

    dramatiq.Actor(
        categorize,
        broker=broker,
        actor_name=ACTOR,
        queue_name=broker.names.ingest,
        priority=0,
        options={"throws": SpendlineError},  # dramatiq logs no traceback of them
    )
