"""The audit log of administrative acts, which triggers write in the transaction of each act.

A program only names the actor. It can neither leave out an act nor change a line.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import asyncpg

from pipeline.database.actor import set_actor
from pipeline.database.pool import translate_errors
from pipeline.database.queries import load_queries

_SQL: Final = load_queries("pipeline.access", "audit")


@asynccontextmanager
async def acting(pool: asyncpg.Pool, actor: str | None) -> AsyncIterator[asyncpg.Connection]:
    """Open a transaction whose acts the log ascribes to `actor`. Raises StoreUnavailable."""
    async with translate_errors(), pool.acquire() as connection, connection.transaction():
        if actor is not None:
            await set_actor(connection, actor)
        yield connection


async def list_acts(pool: asyncpg.Pool, limit: int) -> list[asyncpg.Record]:
    """Rows of at, act, subject, actor, login, application, details (JSON), latest first.

    Raises StoreUnavailable.
    """
    async with translate_errors():
        rows: list[asyncpg.Record] = await pool.fetch(_SQL["list_acts"], limit)
        return rows
