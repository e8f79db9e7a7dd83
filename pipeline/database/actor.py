"""The name for which a transaction acts; triggers of the database write it to the audit log."""

from __future__ import annotations

from typing import Final

import asyncpg

from pipeline.database.queries import load_queries

_SQL: Final = load_queries("pipeline.database", "actor")


async def set_actor(connection: asyncpg.Connection, actor: str) -> None:
    """Name the actor of all acts until the current transaction ends."""
    await connection.execute(_SQL["set_actor"], actor)
