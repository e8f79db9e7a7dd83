"""Answers kept for a day under the idempotency key of their request, so that none acts twice.

PostgreSQL keeps them, so that a key survives the crash of any process and needs no Redis.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final, NamedTuple
from uuid import UUID

import asyncpg

from pipeline.database.pool import translate_errors
from pipeline.database.queries import load_queries

_SQL: Final = load_queries("pipeline.access", "idempotency")
_KEPT_FOR: Final = timedelta(hours=24)
# No request takes as long, so a request without an answer has died with its process.
_LEASE: Final = timedelta(seconds=60)


class Key(NamedTuple):
    """The idempotency key of a request, within its token."""

    token_id: UUID
    text: str


class KeyClaim(NamedTuple):
    """Who holds a key.

    With `ours` the caller runs the request, then keeps its answer or releases the key. Otherwise
    `same` says whether the key belongs to an equal request, whose `answer` is None while it runs.
    """

    ours: UUID | None
    same: bool
    answer: bytes | None


class Idempotency:
    """Keys and answers in PostgreSQL. All methods raise StoreUnavailable."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def claim_key(self, key: Key, request: bytes) -> KeyClaim:
        """Take the key for the request with this digest, or say who holds it."""
        async with translate_errors():
            row = await self._pool.fetchrow(_SQL["claim_key"], *key, request, _LEASE, _KEPT_FOR)
        if row is None:
            return KeyClaim(None, same=True, answer=None)
        return KeyClaim(row["claim"], row["same"], row["answer"])

    async def keep_answer(self, key: Key, ours: UUID, answer: bytes) -> None:
        """Keep the answer, unless the lease has expired and another request holds the key."""
        async with translate_errors():
            await self._pool.execute(_SQL["keep_answer"], ours, answer, *key)

    async def release_key(self, key: Key, ours: UUID) -> None:
        """Free the key of a request that failed without an answer."""
        async with translate_errors():
            await self._pool.execute(_SQL["release_key"], ours, *key)

    async def delete_old_keys(self) -> None:
        """Delete the keys that are older than a day."""
        async with translate_errors():
            await self._pool.execute(_SQL["delete_old_keys"], _KEPT_FOR)
