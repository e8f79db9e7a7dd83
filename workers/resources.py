"""What the worker threads of a process share: the event loop, the store and the events.

All connections open before the first message. One that fails ends the start.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Mapping
from typing import TypeVar

import asyncpg
from redis.asyncio import Redis

from pipeline.cache.connection import open_redis
from pipeline.cache.events import Events
from pipeline.cache.positions import PositionCache
from pipeline.database.clock import Clock
from pipeline.database.migrate import require_migrated
from pipeline.database.pool import open_pool, translate_errors
from pipeline.errors import StoreUnavailable
from pipeline.fail_point import FailPoint
from pipeline.observe import metrics as telemetry
from pipeline.observe import tracing
from pipeline.settings import Settings
from pipeline.store.dead_letters import DeadLetters
from pipeline.store.writer import Store
from pipeline.transactions.chunk import Chunk
from pipeline.transactions.rows import Scored
from workers.loop import LoopThread
from workers.measures import measure_commit

logger = logging.getLogger(__name__)

T = TypeVar("T")

_GRACE_SECONDS = 2.0  # seconds beyond the server's own timeouts


class Resources:
    """The adapters of one worker process."""

    def __init__(
        self, loop: LoopThread, settings: Settings, pool: asyncpg.Pool, clock: Clock
    ) -> None:
        self.loop = loop
        self.pool = pool
        self.clock = clock
        self._fail_point = FailPoint(settings.fail_point)
        self.store = Store(pool, self._fail_point)
        self._dead_letters = DeadLetters(pool)
        self._write_seconds = settings.write_seconds
        self._redis: Redis = open_redis(settings.redis_url)
        positions = PositionCache(self._redis, settings.key_prefix, settings.cache_seconds)
        self._events = Events(self._redis, settings.key_prefix, positions)

    @classmethod
    def open(cls, settings: Settings) -> Resources:
        """Connect to PostgreSQL; Redis may come later.

        Raises StoreUnavailable, and MigrationMismatch when the database has another version.
        """
        loop = LoopThread()
        return loop.run_coroutine(cls._open_resources(loop, settings))

    @classmethod
    async def _open_resources(cls, loop: LoopThread, settings: Settings) -> Resources:
        pool = await open_pool(
            settings.database_url,
            size=settings.worker_threads + 2,  # one each, the dead letters and the upkeep
            name="spendline-worker",
            timeout=settings.write_seconds,
        )
        await require_migrated(pool)
        telemetry.watch_pool(pool, "worker")
        clock = Clock()
        async with translate_errors():
            await clock.synchronize(pool)
        return cls(loop, settings, pool, clock)

    def store_chunk(self, chunk: Chunk, scored: Scored) -> None:
        """Store the chunk, then announce its positions. A lost event raises no error.

        Raises what the store raises, and StoreUnavailable when the time limit passes.
        """
        self.loop.run_coroutine(self._store_chunk(chunk, scored))

    def rehearse_chunk(self, chunk: Chunk, scored: Scored) -> None:
        """Raise what the store would raise for this chunk, and store nothing."""
        self.loop.run_coroutine(self._limit_time(self.store.rehearse_chunk(chunk, scored)))

    async def _limit_time(self, work: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(self._write_seconds + _GRACE_SECONDS):
                return await work
        except TimeoutError:
            raise StoreUnavailable(f"no commit within {self._write_seconds:.0f} s") from None

    async def _store_chunk(self, chunk: Chunk, scored: Scored) -> None:
        with telemetry.WRITE_SECONDS.time(), tracing.open_span("write", "client"):
            positions = await self._limit_time(self.store.store_chunk(chunk, scored))
        committed = self.clock.now()
        self._fail_point.reach("committed")
        if not self._fail_point.is_armed("unannounced"):
            with tracing.open_span("announce", "client"):
                await self.announce_positions(positions, chunk)
        self._fail_point.reach("announced")
        measure_commit(chunk, committed, self.clock.now())

    async def keep_dead_letter(self, body: bytes, chunk: Chunk | None, reason: str) -> None:
        """Store a dead letter, then announce that its ingests have failed."""
        await self._dead_letters.keep_dead_letter(body, chunk, reason)
        if chunk is not None:
            await self.announce_positions({}, chunk)

    async def announce_positions(self, positions: Mapping[bytes, int], chunk: Chunk) -> None:
        """Announce the new positions of the feeds to readers. A failure is logged and counted."""
        if not await self._events.publish_event(positions, chunk.parts):
            telemetry.EVENTS_LOST.inc()
            logger.warning("Redis is away: readers are told by time alone")

    async def keep_announcing(self) -> None:
        """Announce again, until cancelled, what Redis missed while it was away."""
        await self._events.keep_resending()

    def close(self) -> None:
        """Close all connections at once."""
        self.loop.run_coroutine(self._close_connections())

    async def _close_connections(self) -> None:
        await self._redis.aclose()
        self.pool.terminate()  # nothing is in flight, and a frozen server would block a close
