"""What a running system must not forget: months ahead, and ledgers that have served their time."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta

import asyncpg

from pipeline.access.idempotency import Idempotency
from pipeline.database import partitions
from pipeline.database.pool import translated
from pipeline.settings import Settings
from pipeline.store.writer import Store

logger = logging.getLogger(__name__)

_EVERY = 3600.0  # seconds; every process does it, and doing it twice changes nothing


async def keep_up(pool: asyncpg.Pool, store: Store, settings: Settings) -> None:
    """Look after the database every hour, until cancelled."""
    while True:
        try:
            await look_after(pool, store, settings)
        except Exception as error:  # noqa: BLE001 - there is another hour
            logger.warning("upkeep interrupted: %s", type(error).__name__)
        await asyncio.sleep(_EVERY)


async def look_after(pool: asyncpg.Pool, store: Store, settings: Settings) -> None:
    """Create the months ahead; forget ledger rows older than the setting says, and answers of a day ago.

    The time is PostgreSQL's: a machine with a wrong clock must not create months or forget.
    """
    async with translated(), pool.acquire() as connection:
        now: datetime = await connection.fetchval("SELECT now()")
        ahead = partitions.months_back(now.date(), -settings.months_ahead)
        await partitions.ensure(connection, now.date(), ahead)
    await store.forget(now - timedelta(days=settings.ledger_days))
    await Idempotency(pool).forget()
