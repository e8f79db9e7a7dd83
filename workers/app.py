"""The composition root of a worker process: it builds, watches and drains one `dramatiq.Worker`.

The process ends with status 0 after SIGTERM or SIGINT, when its chunks in work are stored. It
ends with another status when it cannot start, when one of its threads dies, or when a chunk does
not end. Its supervisor then starts a new process.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Callable
from threading import Event, Thread, Timer
from types import FrameType
from typing import Final

import dramatiq

from pipeline import garbage as collector
from pipeline.observe import metrics as telemetry
from pipeline.queue.broker import RabbitBroker
from pipeline.queue.depth import watch_queues
from pipeline.queue.topology import Queues, declare_queues
from pipeline.settings import Settings
from pipeline.store.interleave import load_interleave
from workers.actors import Stopwatch, declare_actors
from workers.chunk_processor import ChunkProcessor
from workers.jobs.dead_letters import store_dead_letters
from workers.jobs.upkeep import keep_database_maintained
from workers.loop import LoopThread
from workers.model_slot import ModelSlot
from workers.resources import Resources

logger = logging.getLogger(__name__)

FAILED: Final = 70  # exit status: the process cannot go on
DRAIN_SECONDS: Final = 30.0
_STUCK_FACTOR: Final = 4  # no chunk takes this many times the time limit of a write
_CHECK_SECONDS: Final = 1.0
_IDLE_MS: Final = 200  # idle threads notice the stop after this time


def run_worker(settings: Settings, load: Callable[[str], ModelSlot] = ModelSlot.load) -> int:
    """Work until SIGTERM or SIGINT, and return the exit status.

    Raises a SpendlineError when the process cannot start.
    """
    settings.require_servers()
    stop = _stop_on_signals()
    declare_queues(settings.broker_url, settings.queue_prefix, settings.queue_bound)
    resources = Resources.open(settings)
    load_interleave()
    slot = load(settings.model_folder)
    broker = RabbitBroker(
        settings.broker_url,
        Queues(settings.queue_prefix),
        bound=settings.queue_bound,
        prefetch=settings.worker_prefetch * settings.worker_threads,
    )
    stopwatch = Stopwatch()
    declare_actors(broker, ChunkProcessor(broker, resources, slot), stopwatch)
    resources.loop.start_task(store_dead_letters(settings.broker_url, broker.names, resources))
    resources.loop.start_task(resources.clock.keep_synchronized(resources.pool))
    resources.loop.start_task(watch_queues(settings.broker_url, broker.names))
    resources.loop.start_task(resources.keep_announcing())
    resources.loop.start_task(keep_database_maintained(resources.pool, settings))
    worker = dramatiq.Worker(
        broker, worker_threads=settings.worker_threads, worker_timeout=_IDLE_MS
    )
    collector.exempt_started_objects()
    worker.start()
    telemetry.watch_model(lambda: slot.scorer)
    telemetry.serve_metrics(settings.metrics_host, settings.worker_metrics_port)
    logger.info("working: %d threads, model %d", settings.worker_threads, slot.scorer.version)
    while not stop.wait(_CHECK_SECONDS):
        failure = describe_failure(
            worker, resources, stopwatch, _STUCK_FACTOR * settings.write_seconds
        )
        if failure:
            logger.critical("%s: this process ends", failure)
            return FAILED
    _drain_worker(broker, worker, resources)
    return 0


def _stop_on_signals() -> Event:
    """An event that the first SIGTERM or SIGINT sets; the second ends the process at once."""
    stop = Event()

    def handle(_: int, __: FrameType | None) -> None:
        if stop.is_set():
            os._exit(FAILED)
        stop.set()

    signal.signal(signal.SIGTERM, handle)
    signal.signal(signal.SIGINT, handle)
    return stop


def describe_failure(
    worker: dramatiq.Worker, resources: Resources, stopwatch: Stopwatch, longest: float
) -> str | None:
    """Why this process cannot go on, or None; a chunk may take `longest` seconds."""
    threads: list[Thread | LoopThread] = [*worker.workers, *worker.consumers.values()]
    if not all(thread.is_alive() for thread in [*threads, resources.loop]):
        return "a thread died"
    if stopwatch.measure_longest() > longest:
        return "a chunk does not end"
    return None


def _drain_worker(broker: RabbitBroker, worker: dramatiq.Worker, resources: Resources) -> None:
    """Finish the chunks in work; prefetched messages return to the queue."""
    logger.info("draining")
    bound = Timer(DRAIN_SECONDS, os._exit, (FAILED,))
    bound.daemon = True
    bound.start()
    broker.stopping.set()
    worker.stop()
    resources.close()
    logger.info("stopped")
