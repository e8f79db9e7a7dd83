"""The database of the settings, for commands that ask it one thing."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import asyncpg

from pipeline.database.pool import open_pool
from pipeline.settings import Settings

T = TypeVar("T")


def with_pool(name: str, use: Callable[[asyncpg.Pool], Awaitable[T]]) -> T:
    """What `use` gives; `spendline-<name>` is shown in pg_stat_activity."""
    return asyncio.run(_use(name, use))


async def _use(name: str, use: Callable[[asyncpg.Pool], Awaitable[T]]) -> T:
    settings = Settings.from_environment()
    settings.require_servers()
    pool = await open_pool(settings.database_url, size=1, name=f"spendline-{name}", timeout=10)
    try:
        return await use(pool)
    finally:
        await pool.close()
