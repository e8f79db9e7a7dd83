"""Users and their accounts: created, listed, erased, and whose account is whose."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final, NamedTuple
from uuid import UUID

import asyncpg

from pipeline.access.audit import acting
from pipeline.database.pool import translated
from pipeline.database.queries import queries
from pipeline.errors import StoreUnavailable
from pipeline.transactions.identity import user_digests

_SQL: Final = queries("pipeline.access", "accounts")


class Owner(NamedTuple):
    """An account and its user, 16 bytes each."""

    account_id: bytes
    user_id: bytes


class Accounts:
    """Users and accounts in PostgreSQL. Raises StoreUnavailable."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def create_user(self, external_id: str | None) -> asyncpg.Record:
        """user_id, external_id, position, created; the same external id gives the same user."""
        return await self._made("create_user", external_id)

    async def user(self, user_id: UUID) -> asyncpg.Record | None:
        """user_id, external_id, position; None: there is no such user."""
        async with translated():
            return await self._pool.fetchrow(_SQL["user"], user_id)

    async def erase_user(self, user_id: UUID, actor: str | None = None) -> bool:
        """Delete everything of the user; False: there was no such user."""
        async with acting(self._pool, actor) as connection:
            if not await connection.fetchval(_SQL["erase_feed"], user_id):
                return False
            await connection.execute(_SQL["erase_transactions"], user_id)
            await connection.execute(_SQL["erase_identity"], user_id, *user_digests(user_id))
            await connection.execute(_SQL["erase_user"], user_id)
            return True

    async def create_account(
        self, user_id: UUID, external_id: str, name: str | None, kind: str | None, currency: str
    ) -> asyncpg.Record | None:
        """The account and `created`; the same external id of a user gives the same account.

        None: there is no such user.
        """
        if await self.user(user_id) is None:
            return None
        return await self._made("create_account", user_id, external_id, name, kind, currency)

    async def accounts(self, user_id: UUID) -> list[asyncpg.Record] | None:
        """The accounts of a user, oldest first; None: there is no such user."""
        if await self.user(user_id) is None:
            return None
        async with translated():
            rows: list[asyncpg.Record] = await self._pool.fetch(_SQL["accounts"], user_id)
            return rows

    async def owners(self, account_ids: Collection[str]) -> dict[str, Owner]:
        """Accounts by the canonical text of their ids; unknown ones are absent."""
        async with translated():
            found = await self._pool.fetch(_SQL["owners"], list(account_ids))
        return {row["account"]: Owner(row["account_id"], row["user_id"]) for row in found}

    async def _made(self, name: str, *values: Any) -> asyncpg.Record:
        """Insert or find; two callers at once may both need a second look."""
        async with translated():
            for _ in range(3):
                row = await self._pool.fetchrow(_SQL[name], *values)
                if row is not None:
                    return row
        raise StoreUnavailable("PostgreSQL: the row is being changed by others")
