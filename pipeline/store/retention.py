"""How long the store remembers which chunks and ingests it has written."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from pipeline.database.pool import translate_errors
from pipeline.database.queries import load_queries
from pipeline.transactions.ids import make_earliest_uuid7

_SQL: Final = load_queries("pipeline.store", "retention")


async def delete_old_receipts(pool: asyncpg.Pool, before: datetime) -> None:
    """Delete the ledger rows and receipts of messages made before `before`.

    A message that is redelivered later still changes nothing, because identities remain. Raises
    StoreUnavailable.
    """
    bound = UUID(bytes=make_earliest_uuid7(before))
    async with translate_errors():
        await pool.execute(_SQL["delete_ledger_rows"], bound)
        await pool.execute(_SQL["delete_receipts"], bound)
