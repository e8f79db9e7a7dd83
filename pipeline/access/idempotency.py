"""Answers kept for a day under the key that their request came with, so that none acts twice.

They lie in PostgreSQL: a key holds through a crash of any process and does not need Redis.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final, NamedTuple
from uuid import UUID

import asyncpg

from pipeline.database.pool import translated
from pipeline.database.queries import queries

_SQL: Final = queries("pipeline.access", "idempotency")
_KEPT: Final = timedelta(hours=24)
# Longer than any request takes: one that has not answered by then has died with its process.
_LEASE: Final = timedelta(seconds=60)


class Key(NamedTuple):
    """One token's name for one request."""

    token_id: UUID
    text: str


class Claim(NamedTuple):
    """`ours`: run the request, then keep its answer or release the key.

    Otherwise `same` says whether the key stands for this very request, and `answer` is None while
    that one runs.
    """

    ours: UUID | None
    same: bool
    answer: bytes | None


class Idempotency:
    """Keys and answers in PostgreSQL. Raises StoreUnavailable."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def claim(self, key: Key, request: bytes) -> Claim:
        """Take the key for the request with this digest, or find out whose it is."""
        async with translated():
            row = await self._pool.fetchrow(_SQL["claim"], *key, request, _LEASE, _KEPT)
        if row is None:
            return Claim(None, same=True, answer=None)
        return Claim(row["claim"], row["same"], row["answer"])

    async def keep(self, key: Key, ours: UUID, answer: bytes) -> None:
        """Give this answer from now on, unless the lease has run out and somebody else's stands."""
        async with translated():
            await self._pool.execute(_SQL["keep"], ours, answer, *key)

    async def release(self, key: Key, ours: UUID) -> None:
        """The request came to nothing: the key is free."""
        async with translated():
            await self._pool.execute(_SQL["release"], ours, *key)

    async def forget(self) -> None:
        """Drop what has been kept for its time."""
        async with translated():
            await self._pool.execute(_SQL["forget"], _KEPT)
