"""Dead letters in PostgreSQL: messages that could not be stored, until they are replayed or dropped.

Lists show numbers, reasons and sizes of dead letters, and never the contents of their rows.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

import asyncpg

from pipeline.database.pool import translate_errors
from pipeline.database.queries import load_queries
from pipeline.errors import InvalidMessage
from pipeline.transactions.chunk import Chunk
from pipeline.transactions.envelope import decode_envelope

_SQL: Final = load_queries("pipeline.store", "dead_letters")


class DeadLetter(NamedTuple):
    """One dead letter. Its `chunk` is None when this version cannot read it."""

    dead_letter_id: int
    reason: str
    died_at: datetime
    chunk: Chunk | None


class DeadLetters:
    """All dead letters. All methods raise StoreUnavailable."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def keep_dead_letter(self, body: bytes, chunk: Chunk | None, reason: str) -> None:
        """Keep a message that could not be stored, and mark its ingests as failed. Idempotent."""
        chunk_id = UUID(bytes=chunk.chunk_id) if chunk else None
        rows = len(chunk) if chunk else 0
        async with translate_errors(), self._pool.acquire() as connection, connection.transaction():
            await connection.execute(_SQL["keep_dead_letter"], chunk_id, reason, rows, body)
            await connection.execute(_SQL["fail_parts"], *_part_keys(chunk), reason)

    async def list_dead_letters(self, only: Collection[int] | None = None) -> list[asyncpg.Record]:
        """The id, chunk, reason, rows, bytes and time of death of each dead letter, oldest first."""
        async with translate_errors():
            wanted = None if only is None else list(only)
            rows: list[asyncpg.Record] = await self._pool.fetch(_SQL["list_dead_letters"], wanted)
            return rows

    async def read_dead_letter(self, dead_letter_id: int) -> DeadLetter | None:
        """The dead letter with this number; None when there is none."""
        async with translate_errors():
            row = await self._pool.fetchrow(_SQL["read_dead_letter"], dead_letter_id)
        if row is None:
            return None
        try:
            (chunk,) = decode_envelope(row["body"]).args
        except InvalidMessage:
            chunk = None
        return DeadLetter(dead_letter_id, row["reason"], row["died_at"], chunk)

    async def remove_replayed(self, dead_letter: DeadLetter) -> bool:
        """Remove a dead letter that is published again; its ingests are queued instead of failed.

        False when it has died again meanwhile, and stays.
        """
        async with translate_errors(), self._pool.acquire() as connection, connection.transaction():
            removed = await connection.fetchval(
                _SQL["remove_dead_letter"], dead_letter.dead_letter_id, dead_letter.died_at
            )
            if removed:
                await connection.execute(_SQL["requeue_parts"], *_part_keys(dead_letter.chunk))
        return bool(removed)

    async def drop_dead_letter(self, dead_letter: DeadLetter) -> bool:
        """Remove a dead letter for good; its ingests stay failed.

        False when it has died again meanwhile, and stays.
        """
        async with translate_errors():
            return bool(
                await self._pool.fetchval(
                    _SQL["remove_dead_letter"], dead_letter.dead_letter_id, dead_letter.died_at
                )
            )

    async def count_recent(self, most: int) -> int:
        """The number of dead letters of the last minute, counted up to `most`."""
        async with translate_errors():
            return int(await self._pool.fetchval(_SQL["count_recent"], most))


def _part_keys(chunk: Chunk | None) -> tuple[Sequence[UUID], Sequence[int]]:
    """The ingest ids and the part numbers of a chunk."""
    parts = chunk.parts if chunk else []
    return [UUID(bytes=part.ingest_id) for part in parts], [part.number for part in parts]
