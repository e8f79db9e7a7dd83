"""Hourly maintenance of the database: partitions for coming months, and removal of old rows."""

from __future__ import annotations

from datetime import timedelta

import asyncpg

from pipeline.access.idempotency import Idempotency
from pipeline.database import partitions
from pipeline.database.clock import read_time
from pipeline.database.pool import translate_errors
from pipeline.settings import Settings
from pipeline.store.retention import delete_old_receipts
from pipeline.supervise import keep_running

_PERIOD_SECONDS = 3600.0  # seconds; every process does it, because a repetition changes nothing


async def keep_database_maintained(pool: asyncpg.Pool, settings: Settings) -> None:
    """Maintain the database every hour, until cancelled."""
    await keep_running(
        "upkeep",
        lambda: maintain_database(pool, settings),
        every=_PERIOD_SECONDS,
        longest_pause=_PERIOD_SECONDS,
    )


async def maintain_database(pool: asyncpg.Pool, settings: Settings) -> None:
    """Create the coming months, and delete old ledger rows and answers to idempotent requests.

    The time is PostgreSQL's: a machine with a wrong clock must create and delete nothing.
    """
    async with translate_errors(), pool.acquire() as connection:
        now = await read_time(connection)
        ahead = partitions.go_months_back(now.date(), -settings.months_ahead)
        await partitions.ensure_months(connection, now.date(), ahead)
    await delete_old_receipts(pool, now - timedelta(days=settings.ledger_days))
    await Idempotency(pool).delete_old_keys()
