"""One clock for all processes: PostgreSQL's.

The order in which changes of a transaction were accepted is the order of the UUIDv7 of their
ingests. Machines disagree about time; so every process measures how far its own clock is from
PostgreSQL's and makes its ids in PostgreSQL's time.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from datetime import UTC, datetime, timedelta

import asyncpg

from pipeline.database.pool import translated
from pipeline.errors import StoreUnavailable

_KEEP_SECONDS = 10.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


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
        """16 bytes of a UUIDv7, greater than every one before it in this process.

        The 60 bits after the version and variant hold microseconds within the millisecond, then
        a random rest, so that ids of one process sort as they were made.
        """
        micros = max(int((time.time() + self._offset) * 1e6), self._last + 1)
        self._last = micros
        millis, rest = divmod(micros, 1000)
        high = (millis << 16) | 0x7000 | rest
        low = secrets.randbits(62) | 1 << 63
        return (high << 64 | low).to_bytes(16, "big")


def accepted_at(uuid7: bytes) -> datetime:
    """The time held by one of our UUIDv7, to the microsecond."""
    high = int.from_bytes(uuid7[:8], "big")
    return _EPOCH + timedelta(milliseconds=high >> 16, microseconds=high & 0xFFF)


def earliest_uuid7(when: datetime) -> bytes:
    """The smallest id made at or after `when`: a lower bound for ranges of ids."""
    millis = int((when - _EPOCH).total_seconds() * 1000)
    return (millis << 80 | 0x7 << 76 | 1 << 63).to_bytes(16, "big")
