"""What was sent, what was accepted, and whether the database agrees: the ledger of a fault test.

A are the transactions whose chunk the broker has confirmed, U those with an unknown outcome, C
those in the database. When the queues have drained: nothing of A is missing in C, nothing of C
was never sent, nothing is there twice, and the positions of every user are exactly 1..n.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self
from uuid import UUID, uuid4
from zlib import crc32

import asyncpg
import numpy as np

from pipeline import messages
from pipeline.clock import Clock
from pipeline.errors import BrokerUnavailable
from pipeline.messages import Chunk
from pipeline.publisher import Publisher
from pipeline.settings import Settings
from pipeline.topology import Queues
from tests.chunks import chunk, register

Key = tuple[bytes, str]

_POLL = 0.05  # seconds


@dataclass
class Flow:
    """Chunks on their way into one system, and the ledger of them."""

    settings: Settings
    pool: asyncpg.Pool
    users: list[bytes] = field(default_factory=lambda: [uuid4().bytes for _ in range(50)])
    accepted: set[Key] = field(default_factory=set)
    unknown: set[Key] = field(default_factory=set)
    chunks: int = 0

    async def __aenter__(self) -> Self:
        await register(self.pool, self.chunk(()))
        self.publisher = Publisher(
            self.settings.broker_url,
            Queues(self.settings.queue_prefix).ingest,
            Clock(),
            confirm_seconds=5,
        )
        await self.publisher.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.publisher.stop()

    def chunk(self, ids: Sequence[str]) -> Chunk:
        """One purchase for each id; the id decides whose and how much, wherever it stands."""
        numbers = np.array([crc32(i.encode()) for i in ids], np.int64)
        return chunk(
            ids=list(ids),
            users=self.users,
            account=(numbers % len(self.users)).astype(np.int32).tobytes(),
            amount=(-1 - numbers % 10_000).tobytes(),
            description=[f"CARD PURCHASE {number % 1_000}" for number in numbers.tolist()],
        )

    def fresh(self, chunks: int, rows: int) -> list[Chunk]:
        """Chunks of transactions that were never sent before."""
        first, self.chunks = self.chunks, self.chunks + chunks
        return [
            self.chunk([f"{n:05}-{row:05}" for row in range(rows)])
            for n in range(first, first + chunks)
        ]

    async def send(self, *chunks: Chunk) -> None:
        """Publish all, whatever it takes: a chunk without a confirm is sent again."""
        for one in chunks:
            self.unknown |= keys(one)
            while not await self._confirmed(one):  # noqa: ASYNC110
                await asyncio.sleep(random.uniform(0.1, 0.3))
            self.accepted |= keys(one)

    async def _confirmed(self, one: Chunk) -> bool:
        try:
            await self.publisher.publish(one)
        except BrokerUnavailable:
            return False
        return True

    async def written(self) -> int:
        """Chunks that are committed."""
        count: int = await self.pool.fetchval("SELECT count(*) FROM ledger")
        return count

    async def drained(self, seconds: float = 60) -> None:
        """Wait until everything accepted is in the database."""
        async with asyncio.timeout(seconds):
            while self.accepted - await self._stored():  # noqa: ASYNC110
                await asyncio.sleep(_POLL)

    async def check(self) -> None:
        """The ledger check of a drained system."""
        rows = await self.pool.fetch(
            "SELECT account_id, transaction_id FROM transactions WHERE user_id = ANY($1)",
            [UUID(bytes=user) for user in self.users],
        )
        stored = [(row["account_id"].bytes, row["transaction_id"]) for row in rows]
        assert self.accepted - set(stored) == set(), "lost"
        assert len(stored) == len(set(stored)), "doubled"
        assert set(stored) - self.accepted - self.unknown == set(), "unexpected"
        await self.check_positions()

    async def check_positions(self) -> None:
        """Every row of a user has a position of its own, and together they are 1..n."""
        wrong = await self.pool.fetch(
            "SELECT user_id, f.position, count(*), count(DISTINCT t.position), max(t.position) "
            "FROM feeds f JOIN transactions t USING (user_id) WHERE user_id = ANY($1) "
            "GROUP BY user_id, f.position "
            "HAVING NOT (count(*) = count(DISTINCT t.position) AND count(*) = max(t.position) "
            "            AND min(t.position) = 1 AND f.position = count(*))",
            [UUID(bytes=user) for user in self.users],
        )
        assert wrong == []

    async def _stored(self) -> set[Key]:
        rows = await self.pool.fetch(
            "SELECT account_id, transaction_id FROM transactions WHERE user_id = ANY($1)",
            [UUID(bytes=user) for user in self.users],
        )
        return {(row["account_id"].bytes, row["transaction_id"]) for row in rows}


def keys(one: Chunk) -> set[Key]:
    """Account and bank-side id of the rows of a chunk."""
    accounts = messages.column(one.account, "i4").tolist()
    return {(one.accounts[a], i) for a, i in zip(accounts, one.transaction_id, strict=True)}


async def until(pool: asyncpg.Pool, condition: str, *values: object, seconds: float = 30) -> None:
    """Wait until the SQL `condition` is true."""
    async with asyncio.timeout(seconds):
        while not await pool.fetchval(f"SELECT {condition}", *values):  # noqa: ASYNC110
            await asyncio.sleep(_POLL / 5)
