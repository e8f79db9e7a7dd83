"""The key that signs ingest ids and cursors; all processes of one database share it."""

from __future__ import annotations

from typing import Final

import asyncpg

from pipeline.database.queries import load_queries
from pipeline.transactions.ticket import Signer

_SQL: Final = load_queries("pipeline.access", "signing")


async def load_signer(pool: asyncpg.Pool) -> Signer:
    """Read the key of this database. Raises what asyncpg raises."""
    return Signer(await pool.fetchval(_SQL["signing_key"]))
