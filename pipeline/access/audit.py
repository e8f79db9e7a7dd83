"""The audit log: every administrative act, written by the database itself in the act's transaction.

Programs add only whom they act for; they can neither leave an act out nor change a line.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import asyncpg

from pipeline.database.actor import set_actor
from pipeline.database.pool import translated
from pipeline.database.queries import queries

_SQL: Final = queries("pipeline.access", "audit")


@asynccontextmanager
async def acting(pool: asyncpg.Pool, actor: str | None) -> AsyncIterator[asyncpg.Connection]:
    """A transaction whose acts are noted as those of `actor`. Raises StoreUnavailable."""
    async with translated(), pool.acquire() as connection, connection.transaction():
        if actor is not None:
            await set_actor(connection, actor)
        yield connection


async def acts(pool: asyncpg.Pool, limit: int) -> list[asyncpg.Record]:
    """at, act, subject, actor, login, application, details (JSON); the latest first."""
    async with translated():
        rows: list[asyncpg.Record] = await pool.fetch(_SQL["acts"], limit)
        return rows
