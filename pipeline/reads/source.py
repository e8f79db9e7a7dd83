"""Where the rows of a read come from: the primary, or a replica that stands where the feed stands.

Every read is one statement, so that its rows and the feed's position come from one snapshot. Each
row carries that position as `feed_position`.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

import asyncpg

from pipeline.database.pool import translate_errors
from pipeline.database.queries import load_queries
from pipeline.reads.replicas import Replicas
from pipeline.transactions.columns import SELECT_LIST

#: The blocks of `reads.sql` by name, with the columns of a transaction in place of `{columns}`.
STATEMENTS: Final = {
    name: sql.replace("{columns}", SELECT_LIST)
    for name, sql in load_queries("pipeline.reads", "reads").items()
}


class ReadSource:
    """Runs the named statements of `reads.sql`. All methods raise StoreUnavailable."""

    def __init__(self, pool: asyncpg.Pool, replicas: Replicas | None = None) -> None:
        self._pool = pool
        self._replicas = replicas

    async def read_position(self, user_id: UUID) -> int | None:
        """The position of the user's feed on the primary; None when there is no such user."""
        rows = await self.fetch_rows("feed_position", user_id)
        return rows[0]["position"] if rows else None

    async def fetch_rows(self, name: str, *values: Any) -> list[asyncpg.Record]:
        """The rows of the statement `name` on the primary."""
        async with translate_errors():
            rows: list[asyncpg.Record] = await self._pool.fetch(STATEMENTS[name], *values)
            return rows

    async def fetch_rows_at(
        self, position: int | None, name: str, *values: Any
    ) -> list[asyncpg.Record]:
        """The rows of a replica where the feed stands at `position`, else those of the primary.

        The primary alone answers when `position` is None.
        """
        if position is not None and self._replicas is not None:
            rows = await self._replicas.fetch_rows(STATEMENTS[name], position, values)
            if rows is not None:
                return rows
        return await self.fetch_rows(name, *values)
