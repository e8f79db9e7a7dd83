"""What a running system must not forget: months ahead, and ledgers that have served their time."""

from __future__ import annotations

from datetime import datetime, timedelta

import asyncpg

from pipeline.access.idempotency import Idempotency
from pipeline.database import partitions
from pipeline.database.pool import translated
from pipeline.settings import Settings
from pipeline.store.retention import delete_old_receipts
from pipeline.supervise import keep_running

_EVERY = 3600.0  # seconds; every process does it, and doing it twice changes nothing


async def keep_up(pool: asyncpg.Pool, settings: Settings) -> None:
    """Look after the database every hour, until cancelled."""
    await keep_running(
        "upkeep", lambda: look_after(pool, settings), every=_EVERY, longest_pause=_EVERY
    )


async def look_after(pool: asyncpg.Pool, settings: Settings) -> None:
    """Create the months ahead; forget ledger rows older than the setting says, and answers of a day ago.

    The time is PostgreSQL's: a machine with a wrong clock must not create months or forget.
    """
    async with translated(), pool.acquire() as connection:
        now: datetime = await connection.fetchval("SELECT now()")
        ahead = partitions.months_back(now.date(), -settings.months_ahead)
        await partitions.ensure(connection, now.date(), ahead)
    await delete_old_receipts(pool, now - timedelta(days=settings.ledger_days))
    await Idempotency(pool).forget()
