"""Accounts: created, listed, and whose account is whose."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final, NamedTuple
from uuid import UUID

import asyncpg

from pipeline.access.insertion import insert_or_read
from pipeline.access.users import Users
from pipeline.database.pool import translate_errors
from pipeline.database.queries import load_queries

_SQL: Final = load_queries("pipeline.access", "accounts")


class Owner(NamedTuple):
    """An account and its user, 16 bytes each."""

    account_id: bytes
    user_id: bytes


class Accounts:
    """Accounts in PostgreSQL. All methods raise StoreUnavailable."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._users = Users(pool)

    async def create_account(
        self, user_id: UUID, external_id: str, name: str | None, kind: str | None, currency: str
    ) -> asyncpg.Record | None:
        """The account and `created`; an external id names one account of a user.

        None when there is no such user.
        """
        if await self._users.read_user(user_id) is None:
            return None
        values = (user_id, external_id, name, kind, currency)
        return await insert_or_read(self._pool, _SQL["create_account"], *values)

    async def list_accounts(self, user_id: UUID) -> list[asyncpg.Record] | None:
        """The accounts of a user, oldest first; None when there is no such user."""
        if await self._users.read_user(user_id) is None:
            return None
        async with translate_errors():
            rows: list[asyncpg.Record] = await self._pool.fetch(_SQL["list_accounts"], user_id)
            return rows

    async def find_owners(self, account_ids: Collection[str]) -> dict[str, Owner]:
        """Accounts by the canonical text of their ids; unknown ones are absent."""
        async with translate_errors():
            rows = await self._pool.fetch(_SQL["find_owners"], list(account_ids))
        return {row["account"]: Owner(row["account_id"], row["user_id"]) for row in rows}
