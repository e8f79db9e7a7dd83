"""Rows that are inserted unless they are there, by a statement that returns either one."""

from __future__ import annotations

from typing import Any, Final

import asyncpg

from pipeline.database.pool import translate_errors
from pipeline.errors import StoreUnavailable

_TRIES: Final = 3


async def insert_or_read(pool: asyncpg.Pool, statement: str, *values: Any) -> asyncpg.Record:
    """The row that the statement inserts or finds. Raises StoreUnavailable.

    Two callers at once may both see neither row, because each statement has one snapshot. Then the
    statement runs again.
    """
    async with translate_errors():
        for _ in range(_TRIES):
            row = await pool.fetchrow(statement, *values)
            if row is not None:
                return row
    raise StoreUnavailable("PostgreSQL: the row is being changed by others")
