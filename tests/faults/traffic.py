"""Clients of the API that push and read without end, and note every answer in the ledger."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Self
from uuid import UUID
from zlib import crc32

import aiohttp
import asyncpg

from tests.faults.insights import FIRST, LAST
from tests.support.ledger import Key, Ledger

_DAYS = (LAST - FIRST).days
_AGAIN_SECONDS = 0.2
_LOOK_SECONDS = 0.05
_GIVE_UP = 0.2  # how often a client forgets a batch instead of sending it again
_WATCHED = 5  # users
_AWAY = (aiohttp.ClientError, OSError, TimeoutError)

Item = dict[str, Any]


class Traffic:
    """`clients` push `rows` transactions each, `pace` seconds apart; one reader looks on.

    `stale` is the longest time for which the API has told an insight older than a commit that
    was already seen; `wrong` are answers that nobody should get; `slowest` is the longest
    wait for an answer to a push, in seconds.
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
        self._address = address
        self._headers = {"Authorization": f"Bearer {token}"}
        self._shape = clients, rows, pace
        self._numbers = itertools.count()
        self._chance = random.Random(7)
        self._stopping = asyncio.Event()
        self._seen: dict[bytes, list[tuple[float, int]]] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            self._address, headers=self._headers, timeout=aiohttp.ClientTimeout(20)
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._session.close()

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
        began = time.monotonic()
        try:
            async with self._session.post(
                "/v1/transactions", json={"transactions": list(items)}
            ) as answer:
                body = await answer.text()
                status = answer.status
                if status not in {202, 503} or (
                    status == 503 and "Retry-After" not in answer.headers
                ):
                    self.wrong.append(f"push: {status} {body[:300]}")
        except _AWAY:
            status = 0
        self.slowest = max(self.slowest, time.monotonic() - began)
        self.statuses[status] += 1
        return status

    async def insight(self, user: bytes) -> dict[str, Any] | None:
        """What the API says of a user's spending; None: it does not answer now."""
        query = {"from": str(FIRST), "to": str(LAST)}
        return await self.read(user, "/insights/spending", query)

    async def read(self, user: bytes, path: str, query: dict[str, str]) -> dict[str, Any] | None:
        """What the API says of a user; None: it does not answer now."""
        path = f"/v1/users/{UUID(bytes=user)}{path}"
        try:
            async with self._session.get(path, params=query) as answer:
                self.reads[answer.status] += 1
                if answer.status == 200:
                    return await answer.json()
                if answer.status != 503:
                    self.wrong.append(f"read: {answer.status} {(await answer.text())[:300]}")
        except _AWAY:
            self.reads[0] += 1
        return None

    async def ready(self) -> bool:
        """Whether `/readyz` answers 200."""
        status, _ = await self.readiness()
        return status == 200

    async def readiness(self) -> tuple[int, dict[str, str]]:
        """The status of `/readyz`, and what it says of each part; (0, {}): no answer."""
        try:
            async with self._session.get("/readyz") as answer:
                body = await answer.json(content_type=None)
        except _AWAY:
            return 0, {}
        faults = {e["pointer"].rpartition("/")[2]: e["detail"] for e in body.get("errors", ())}
        return answer.status, body.get("parts", faults)

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
        """Note for how long the API has not known of what is committed."""
        try:
            position = await self.ledger.pool.fetchval(
                "SELECT position FROM feeds WHERE user_id = $1", UUID(bytes=user)
            )
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return
        seen = self._seen.setdefault(user, [])
        if not seen or position > seen[-1][1]:
            seen.append((time.monotonic(), position))
        told = await self.insight(user)
        if told is not None:
            later = [at for at, known in seen if known > told["position"]]
            if later:
                self.stale = max(self.stale, time.monotonic() - later[0])


def key_of(item: Item) -> Key:
    """The ledger's name of a transaction."""
    return UUID(item["account_id"]).bytes, item["transaction_id"]


def account_of(user: bytes) -> bytes:
    """The one account of a user of the ledger, as `tests.support.chunks` makes it."""
    return user[::-1]
