"""Every transaction that was sent, and whether the database agrees: the ledger of a fault test.

A (`accepted`) are the transactions that were taken over, U (`unknown`) those with an unknown
outcome, C those in the database. When the queues have drained, nothing of A is missing in C and
nothing of C was never sent. Nothing is there twice. A batch is there as a whole or not at all.
The positions of every user are exactly 1..n.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple
from uuid import UUID, uuid4

import asyncpg

Key = tuple[bytes, str]
"""Account and bank-side id of a transaction."""

POLL = 0.05  # seconds


class Tally(NamedTuple):
    """The outcome of a ledger check: numbers of transactions."""

    accepted: int
    lost: int
    duplicated: int
    unexpected: int
    torn: int  # batches of which only a part is there


class Ledger:
    """What was sent for `users`, each with one account, into the database of `pool`."""

    def __init__(self, pool: asyncpg.Pool, users: Sequence[bytes] = ()) -> None:
        self.pool = pool
        self.users = list(users) or [uuid4().bytes for _ in range(50)]
        self.accepted: set[Key] = set()
        self.unknown: set[Key] = set()
        self.batches: list[frozenset[Key]] = []

    def sent(self, keys: Iterable[Key]) -> frozenset[Key]:
        """Note what is about to be sent together."""
        batch = frozenset(keys)
        self.unknown |= batch
        self.batches.append(batch)
        return batch

    async def drained(self, seconds: float = 60) -> None:
        """Wait until everything accepted is in the database."""
        async with asyncio.timeout(seconds):
            while self.accepted - set(await self._stored()):  # noqa: ASYNC110
                await asyncio.sleep(POLL)

    async def check(self) -> Tally:
        """The ledger check of a drained system."""
        stored = Counter(await self._stored())
        there = stored.keys()
        tally = Tally(
            accepted=len(self.accepted),
            lost=len(self.accepted - there),
            duplicated=stored.total() - len(stored),
            unexpected=len(there - self.accepted - self.unknown),
            torn=sum(0 < len(batch & there) < len(batch) for batch in self.batches),
        )
        assert tally == Tally(tally.accepted, 0, 0, 0, 0)
        await self._check_positions()
        return tally

    async def written(self) -> int:
        """Chunks that are committed."""
        count: int = await self.pool.fetchval("SELECT count(*) FROM ledger")
        return count

    async def _check_positions(self) -> None:
        """Every row of a user has a position of its own, and together they are 1..n."""
        wrong = await self.pool.fetch(
            "SELECT user_id, f.position, count(*), count(DISTINCT t.position), max(t.position) "
            "FROM feeds f JOIN transactions t USING (user_id) WHERE user_id = ANY($1) "
            "GROUP BY user_id, f.position "
            "HAVING NOT (count(*) = count(DISTINCT t.position) AND count(*) = max(t.position) "
            "            AND min(t.position) = 1 AND f.position = count(*))",
            self._ids(),
        )
        assert wrong == []

    async def _stored(self) -> list[Key]:
        rows = await self.pool.fetch(
            "SELECT account_id, transaction_id FROM transactions WHERE user_id = ANY($1)",
            self._ids(),
        )
        return [(row["account_id"].bytes, row["transaction_id"]) for row in rows]

    def _ids(self) -> list[UUID]:
        return [UUID(bytes=user) for user in self.users]


async def until(pool: asyncpg.Pool, condition: str, *values: object, seconds: float = 30) -> None:
    """Wait until the SQL `condition` is true."""
    async with asyncio.timeout(seconds):
        while not await pool.fetchval(f"SELECT {condition}", *values):  # noqa: ASYNC110
            await asyncio.sleep(POLL / 5)
