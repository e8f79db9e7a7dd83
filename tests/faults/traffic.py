"""Clients of the API that push and read without end, and note every answer in the ledger."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import Awaitable, Sequence
from datetime import timedelta
from typing import Any, Self, TypeVar
from uuid import UUID
from zlib import crc32

import asyncpg
import msgspec

from client import (
    NO_RETRIES,
    Client,
    Exchange,
    ProblemError,
    PushBody,
    Readiness,
    SpendingReport,
    UnansweredError,
)
from tests.faults.insights import FIRST, LAST
from tests.support.ledger import Key, Ledger

_DAYS = (LAST - FIRST).days
_AGAIN_SECONDS = 0.2
_LOOK_SECONDS = 0.05
_GIVE_UP = 0.2  # how often a client forgets a batch instead of sending it again
_WATCHED = 5  # users
_SECONDS = 20.0  # of one request
_CONNECTIONS = 100

T = TypeVar("T")
Item = dict[str, Any]


class Traffic:
    """`clients` push `rows` transactions each, `pace` seconds apart; one reader looks on.

    `stale` is the longest time for which the API gave an insight older than a commit that
    was already visible. `wrong` are answers that nobody should get. `slowest` is the longest
    wait for an answer to a push. Times are seconds.
    """

    def __init__(
        self, ledger: Ledger, address: str, token: str, *, clients: int, rows: int, pace: float
    ) -> None:
        self.ledger = ledger
        self.statuses: Counter[int] = Counter()
        self.reads: Counter[int] = Counter()
        self.wrong: list[str] = []
        self.stale = 0.0
        self.slowest = 0.0
        self.client = Client(
            address,
            token,
            timeout=_SECONDS,
            connections=_CONNECTIONS,
            retries=NO_RETRIES,
            kept_bytes=0,
            observe=self._count,
        )
        self._shape = clients, rows, pace
        self._numbers = itertools.count()
        self._chance = random.Random(7)
        self._stopping = asyncio.Event()
        self._seen: dict[bytes, list[tuple[float, int]]] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        await self.client.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.client.__aexit__(*error)

    def _count(self, exchange: Exchange) -> None:
        if exchange.path == "/v1/transactions":
            self.statuses[exchange.status] += 1
            self.slowest = max(self.slowest, exchange.seconds)
        elif exchange.path.startswith("/v1/users/"):
            self.reads[exchange.status] += 1

    def start(self) -> None:
        clients, _, _ = self._shape
        self._tasks = [asyncio.create_task(self._push_without_end()) for _ in range(clients)]
        self._tasks.append(asyncio.create_task(self._watch()))

    async def stop(self) -> None:
        """Finish every batch that is under way."""
        self._stopping.set()
        await asyncio.gather(*self._tasks)

    def fresh(self, rows: int) -> list[Item]:
        """Transactions that were never sent before."""
        return [self.item(f"t{number}") for number in itertools.islice(self._numbers, rows)]

    def item(self, name: str) -> Item:
        """The transaction of that bank-side id, which decides all about it."""
        number = crc32(name.encode())
        user = self.ledger.users[number % len(self.ledger.users)]
        return {
            "transaction_id": name,
            "account_id": str(UUID(bytes=account_of(user))),
            "date": str(FIRST + timedelta(days=number % _DAYS)),
            "amount": f"-{number % 10_000}.{number % 100:02}",
            "currency": "GBP",
            "description": f"CARD PURCHASE {number % 300}",
        }

    async def push(self, items: Sequence[Item], *, tries: int | None = None) -> bool:
        """Send a batch until it is accepted; False: `tries` were not enough."""
        batch = self.ledger.sent(map(key_of, items))
        for attempt in itertools.count(1):
            if await self.post(items) == 202:
                self.ledger.accepted |= batch
                return True
            if attempt == tries:
                return False
            await asyncio.sleep(_AGAIN_SECONDS)
        raise AssertionError

    async def post(self, items: Sequence[Item]) -> int:
        """The status of one attempt; 0: no answer."""
        try:
            await self.client.push_body(PushBody(msgspec.json.encode({"transactions": items})))
        except UnansweredError:
            return 0
        except ProblemError as error:
            if error.status != 503 or error.retry_after is None:
                self.wrong.append(f"push: {error}")
            return error.status
        return 202

    async def insight(self, user: bytes) -> SpendingReport | None:
        """What the API says of a user's spending; None: it does not answer now."""
        return await self.read(self.client.get_spending(UUID(bytes=user), first=FIRST, last=LAST))

    async def read(self, answer: Awaitable[T]) -> T | None:
        """The answer to one of the client's questions; None: the API does not answer now."""
        try:
            return await answer
        except UnansweredError:
            return None
        except ProblemError as error:
            if error.status != 503:
                self.wrong.append(f"read: {error}")
            return None

    async def ready(self) -> bool:
        """Whether the API answers that it is ready."""
        readiness = await self.readiness()
        return readiness is not None and readiness.ready

    async def readiness(self) -> Readiness | None:
        """What `/readyz` says of each part; None: no answer."""
        try:
            return await self.client.check_readiness()
        except UnansweredError:
            return None

    async def _push_without_end(self) -> None:
        _, rows, pace = self._shape
        await asyncio.sleep(self._chance.uniform(0, pace))
        while not self._stopping.is_set():
            again = self._chance.random() > _GIVE_UP
            await self.push(self.fresh(rows), tries=None if again else 1)
            await asyncio.sleep(pace)

    async def _watch(self) -> None:
        while not self._stopping.is_set():
            for user in self.ledger.users[:_WATCHED]:
                await self.look(user)
                await asyncio.sleep(_LOOK_SECONDS)

    async def look(self, user: bytes) -> None:
        """Note for how long the API has given an insight older than what is committed."""
        try:
            position = await self.ledger.pool.fetchval(
                "SELECT position FROM feeds WHERE user_id = $1", UUID(bytes=user)
            )
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return
        seen = self._seen.setdefault(user, [])
        if not seen or position > seen[-1][1]:
            seen.append((time.monotonic(), position))
        report = await self.insight(user)
        if report is not None:
            later = [at for at, committed in seen if committed > report.position]
            if later:
                self.stale = max(self.stale, time.monotonic() - later[0])


def key_of(item: Item) -> Key:
    """The ledger's name of a transaction."""
    return UUID(item["account_id"]).bytes, item["transaction_id"]


def account_of(user: bytes) -> bytes:
    """The one account of a user of the ledger, as `tests.support.chunks` makes it."""
    return user[::-1]
