"""Chunks straight to the broker, past the API, with the ledger of them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Self
from zlib import crc32

import asyncpg
import numpy as np

from pipeline.database.clock import Clock
from pipeline.errors import BrokerUnavailable
from pipeline.queue.publisher import Publisher
from pipeline.queue.topology import Queues
from pipeline.settings import Settings
from pipeline.transactions.chunk import Chunk
from tests.support.chunks import chunk, register
from tests.support.ledger import Key, Ledger


class Flow(Ledger):
    """Chunks on their way into one system."""

    def __init__(self, settings: Settings, pool: asyncpg.Pool) -> None:
        super().__init__(pool)
        self.chunks = 0
        self.publisher = Publisher(
            settings.broker_url, Queues(settings.queue_prefix).ingest, Clock(), confirm_seconds=5
        )

    async def __aenter__(self) -> Self:
        await register(self.pool, self.chunk(()))
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
            batch = self.sent(keys(one))
            while not await self._confirmed(one):  # noqa: ASYNC110
                await asyncio.sleep(random.uniform(0.1, 0.3))
            self.accepted |= batch

    async def _confirmed(self, one: Chunk) -> bool:
        try:
            await self.publisher.publish(one)
        except BrokerUnavailable:
            return False
        return True


def keys(one: Chunk) -> set[Key]:
    """Account and bank-side id of the rows of a chunk."""
    accounts = one.account_places().tolist()
    return {
        (one.accounts[a], i) for a, i in zip(accounts, one.texts("transaction_id"), strict=True)
    }
