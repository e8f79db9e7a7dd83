"""One clock for all processes: PostgreSQL's.

The order in which changes of a transaction were accepted is the order of the UUIDv7 of their
ingests. Machines disagree about time; so every process measures how far its own clock is from
PostgreSQL's and makes its ids in PostgreSQL's time.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from datetime import UTC, datetime

import asyncpg

from pipeline.database.pool import translated
from pipeline.errors import StoreUnavailable
from pipeline.transactions.ids import make_uuid7

_KEEP_SECONDS = 10.0


class Clock:
    """Time of the database and ids that grow with it."""

    def __init__(self) -> None:
        self._offset = 0.0
        self._last = 0

    async def synchronize(self, pool: asyncpg.Pool) -> None:
        """Measure the offset; half the round trip is its error."""
        before = time.time()
        theirs = await pool.fetchval("SELECT extract(epoch FROM clock_timestamp())::float8")
        self._offset = float(theirs) - (before + time.time()) / 2

    async def keep(self, pool: asyncpg.Pool) -> None:
        """Synchronize now and then, until cancelled; while PostgreSQL is away the offset stays."""
        while True:
            await asyncio.sleep(_KEEP_SECONDS)
            with contextlib.suppress(StoreUnavailable):
                async with translated():
                    await self.synchronize(pool)

    def now(self) -> datetime:
        return datetime.fromtimestamp(time.time() + self._offset, UTC)

    def uuid7(self) -> bytes:
        """16 bytes of a UUIDv7, greater than every one before it in this process."""
        self._last = max(int((time.time() + self._offset) * 1e6), self._last + 1)
        return make_uuid7(self._last)
