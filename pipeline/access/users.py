"""Users: created, read, and erased with everything that is theirs."""

from __future__ import annotations

from typing import Final
from uuid import UUID

import asyncpg

from pipeline.access.audit import acting
from pipeline.access.insertion import insert_or_read
from pipeline.database.pool import translate_errors
from pipeline.database.queries import load_queries
from pipeline.transactions.identity import bound_user_digests

_SQL: Final = load_queries("pipeline.access", "users")


class Users:
    """Users in PostgreSQL. All methods raise StoreUnavailable."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def create_user(self, external_id: str | None) -> asyncpg.Record:
        """A row of user_id, external_id, position, created; an external id names one user."""
        return await insert_or_read(self._pool, _SQL["create_user"], external_id)

    async def read_user(self, user_id: UUID) -> asyncpg.Record | None:
        """A row of user_id, external_id, position; None when there is no such user."""
        async with translate_errors():
            return await self._pool.fetchrow(_SQL["read_user"], user_id)

    async def erase_user(self, user_id: UUID, actor: str | None = None) -> bool:
        """Delete everything of the user; False when there is no such user."""
        async with acting(self._pool, actor) as connection:
            if not await connection.fetchval(_SQL["erase_feed"], user_id):
                return False
            await connection.execute(_SQL["erase_transactions"], user_id)
            await connection.execute(_SQL["erase_identity"], user_id, *bound_user_digests(user_id))
            await connection.execute(_SQL["erase_user"], user_id)
            return True
