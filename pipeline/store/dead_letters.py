"""Dead letters in PostgreSQL: listed, read, and removed once they are published again or given up.

A letter is told by its number, its reason and its sizes; what its rows say stays inside.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

import asyncpg

from pipeline.database.pool import translated
from pipeline.database.queries import queries
from pipeline.errors import InvalidMessage
from pipeline.transactions.chunk import Chunk
from pipeline.transactions.envelope import decode_envelope

_SQL: Final = queries("pipeline.store", "dead_letters")


class Letter(NamedTuple):
    """One dead letter. `chunk` is None when this version cannot read it."""

    letter_id: int
    reason: str
    died_at: datetime
    chunk: Chunk | None


class Letters:
    """All dead letters. Raises StoreUnavailable."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def bury(self, body: bytes, chunk: Chunk | None, reason: str) -> None:
        """Keep a message that could not be written, and let its ingests say so. Idempotent."""
        chunk_id = UUID(bytes=chunk.chunk_id) if chunk else None
        rows = len(chunk) if chunk else 0
        async with translated(), self._pool.acquire() as connection, connection.transaction():
            await connection.execute(_SQL["keep_dead_letter"], chunk_id, reason, rows, body)
            await connection.execute(_SQL["fail_parts"], *_part_keys(chunk), reason)

    async def list(self, only: Collection[int] | None = None) -> list[asyncpg.Record]:
        """The letters, oldest first: letter_id, chunk_id, reason, rows, bytes, died_at."""
        async with translated():
            wanted = None if only is None else list(only)
            rows: list[asyncpg.Record] = await self._pool.fetch(_SQL["list_dead_letters"], wanted)
            return rows

    async def read(self, letter_id: int) -> Letter | None:
        """None: there is no such letter."""
        async with translated():
            row = await self._pool.fetchrow(_SQL["read_dead_letter"], letter_id)
        if row is None:
            return None
        try:
            (chunk,) = decode_envelope(row["body"]).args
        except InvalidMessage:
            chunk = None
        return Letter(letter_id, row["reason"], row["died_at"], chunk)

    async def replayed(self, letter: Letter) -> bool:
        """Remove a letter that is published again; its ingests are queued, no longer failed.

        False: it has died again meanwhile, and stays.
        """
        async with translated(), self._pool.acquire() as connection, connection.transaction():
            removed = await connection.fetchval(
                _SQL["remove_dead_letter"], letter.letter_id, letter.died_at
            )
            if removed:
                await connection.execute(_SQL["requeue_parts"], *_part_keys(letter.chunk))
        return bool(removed)

    async def drop(self, letter: Letter) -> bool:
        """Remove a letter for good; its ingests stay failed. False: it has died again, and stays."""
        async with translated():
            return bool(
                await self._pool.fetchval(
                    _SQL["remove_dead_letter"], letter.letter_id, letter.died_at
                )
            )

    async def recent(self, most: int) -> int:
        """How many died within the last minute, counted up to `most`."""
        async with translated():
            return int(await self._pool.fetchval(_SQL["count_recent"], most))


def _part_keys(chunk: Chunk | None) -> tuple[Sequence[UUID], Sequence[int]]:
    """The ingest ids and the part numbers of a chunk."""
    parts = chunk.parts if chunk else []
    return [UUID(bytes=part.ingest_id) for part in parts], [part.number for part in parts]
