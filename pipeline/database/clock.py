"""All processes make their ids in PostgreSQL's time.

Changes of a transaction are ordered by the UUIDv7 of their ingests. Machines disagree about time,
so each process measures the offset of its own clock from PostgreSQL's.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Final

import asyncpg

from pipeline.database.queries import load_queries
from pipeline.supervise import keep_running
from pipeline.transactions.ids import make_uuid7

_SQL: Final = load_queries("pipeline.database", "clock")
_KEEP_SECONDS: Final = 10.0


async def read_time(connection: asyncpg.Connection) -> datetime:
    """PostgreSQL's time at the start of the transaction."""
    now: datetime = await connection.fetchval(_SQL["read_time"])
    return now


class Clock:
    """The time of the database, and ids that grow with it."""

    def __init__(self) -> None:
        self._offset = 0.0
        self._last = 0

    async def synchronize(self, pool: asyncpg.Pool) -> None:
        """Measure the offset; its error is half of the round trip. Raises what asyncpg raises."""
        before = time.time()
        theirs = await pool.fetchval(_SQL["now"])
        self._offset = float(theirs) - (before + time.time()) / 2

    async def keep_synchronized(self, pool: asyncpg.Pool) -> None:
        """Synchronize every ten seconds until cancelled; while PostgreSQL is away the offset stays."""
        await keep_running("the clock", lambda: self._synchronize_later(pool))

    async def _synchronize_later(self, pool: asyncpg.Pool) -> None:
        """Wait first: a measure while the process still starts would have a large error."""
        await asyncio.sleep(_KEEP_SECONDS)
        await self.synchronize(pool)

    def now(self) -> datetime:
        """The current time of the database, in UTC."""
        return datetime.fromtimestamp(time.time() + self._offset, UTC)

    def make_uuid7(self) -> bytes:
        """16 bytes of a UUIDv7, greater than every one before it in this process."""
        self._last = max(int((time.time() + self._offset) * 1e6), self._last + 1)
        return make_uuid7(self._last)
