"""The clients of a simulated user base: a bank that pushes, apps that read, each when it is due.

The loop is open: an act starts when it is due, even if earlier ones have not ended. Only when
AT_ONCE acts are in flight does it wait. Seconds count from the moment an act was due.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any, Final, TypeVar
from uuid import UUID

from benchmarks.harness.bank_feed import open_accounts
from benchmarks.simulation.population import DAY, Schedule
from client import Client, ClientError, Exchange, NewTransaction

AT_ONCE: Final = 256  # acts on their way
_PREPARING_AT_ONCE: Final = 16
_BATCH: Final = 500  # rows of a post of history
HISTORY_DAYS: Final = 30

T = TypeVar("T")


@dataclass(slots=True)
class Seen:
    """Counts, and seconds from the moment that something was due."""

    pushes: int = 0
    pushed: int = 0  # rows
    stored: int = 0  # rows
    reads: int = 0
    hits: int = 0
    errors: int = 0
    late: list[float] = field(default_factory=list)  # to the start of an act
    post: list[float] = field(default_factory=list)  # to the 202
    visible: list[float] = field(default_factory=list)  # to the receipt that says stored
    read: list[float] = field(default_factory=list)  # to the answer

    def observe(self, exchange: Exchange) -> None:
        """Count what the API answers without its database."""
        self.hits += exchange.cached


@dataclass(slots=True)
class Person:
    """A user with one account, and the cursor of their app."""

    user_id: UUID
    account_id: UUID
    pushed: int = 0
    cursor: str | None = None


class Crowd:
    """The people who are driven; `descriptors` are what their cards print, `seen` is what happens."""

    def __init__(self, client: Client, seen: Seen, descriptors: Sequence[str], first: date) -> None:
        self._client = client
        self._descriptors = descriptors
        self._first = first
        self.people: list[Person] = []
        self.seen = seen

    async def register_people(self, people: int, run: str) -> None:
        names = [f"{run}-{number}" for number in range(people)]
        accounts = await open_accounts(self._client, zip(names, names, strict=True))
        self.people = [Person(account.user_id, account.account_id) for account in accounts]

    async def push_history(self, rows: Sequence[int], done: Callable[[int], None]) -> None:
        """Push so many `rows` of each person, spread over the days before the first."""
        history = self._history(rows)
        batches = iter(lambda: list(islice(history, _BATCH)), [])

        async def push_some() -> None:
            for batch in batches:
                for accepted in await self._client.push(batch):
                    await self._client.wait_for_receipt(accepted.ingest_id)
                done(len(batch))

        await asyncio.gather(*(push_some() for _ in range(_PREPARING_AT_ONCE)))

    def _history(self, rows: Sequence[int]) -> Iterator[NewTransaction]:
        """The rows are made when they are pushed, because all of them would fill the memory."""
        for person, count in zip(self.people, rows, strict=True):
            for n in range(count):
                yield self._row(person, self._first - timedelta(days=1 + n % HISTORY_DAYS))

    async def live_days(
        self, schedule: Schedule, speed: float, began: float, done: Callable[[int], None]
    ) -> None:
        """Do what is scheduled when it is due; the days begin at `began`, of time.monotonic()."""
        slots = asyncio.Semaphore(AT_ONCE)

        async def act_when_due(act: Coroutine[Any, Any, None], due: float) -> None:
            await self._counted(act, due)
            slots.release()
            done(1)

        async with asyncio.TaskGroup() as acts:
            for at, user, rows in zip(schedule.at, schedule.user, schedule.rows, strict=True):
                due = began + float(at) / speed
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                await slots.acquire()
                today = self._first + timedelta(days=int(at // DAY))
                acts.create_task(
                    act_when_due(self._act(self.people[user], int(rows), today, due), due)
                )

    def _act(self, person: Person, rows: int, today: date, due: float) -> Coroutine[Any, Any, None]:
        return self._push(person, rows, today, due) if rows else self._open_app(person, today, due)

    async def _counted(self, act: Coroutine[Any, Any, None], due: float) -> None:
        self.seen.late.append(time.monotonic() - due)
        try:
            await act
        except ClientError:
            self.seen.errors += 1

    async def _push(self, person: Person, count: int, today: date, due: float) -> None:
        self.seen.pushes += 1
        self.seen.pushed += count
        pushes = await self._client.push(self._row(person, today) for _ in range(count))
        self.seen.post.append(time.monotonic() - due)
        for push in pushes:
            receipt = await self._client.wait_for_receipt(push.ingest_id)
            self.seen.stored += receipt.added
        self.seen.visible.append(time.monotonic() - due)

    async def _open_app(self, person: Person, today: date, due: float) -> None:
        """Read what changed, the first page, and this month's spending.

        The first answer is due with the opening, each other one with the answer before it.
        """
        client, user = self._client, person.user_id
        changes = await self._read(client.get_changes(user, person.cursor, limit=500), due)
        person.cursor = changes.next_cursor
        await self._read(client.get_feed_page(user, limit=50), time.monotonic())
        await self._read(client.get_spending(user, month=f"{today:%Y-%m}"), time.monotonic())

    async def _read(self, answer: Awaitable[T], due: float) -> T:
        read = await answer
        self.seen.read.append(time.monotonic() - due)
        self.seen.reads += 1
        return read

    def _row(self, person: Person, booked: date) -> NewTransaction:
        person.pushed += 1
        number = person.pushed
        descriptor = number * 7919 + (person.user_id.int >> 96)
        return NewTransaction(
            transaction_id=f"{number}",
            account_id=person.account_id,
            date=booked,
            amount=Decimal(f"-{1 + number % 90}.{number % 100:02d}"),
            currency="GBP",
            description=self._descriptors[descriptor % len(self._descriptors)],
        )
