"""The clients of a simulated user base: a bank that pushes, apps that read, each when it is due.

The loop is open: what is due is not put off by what has not ended, as long as fewer than AT_ONCE acts
are on their way. Seconds are counted from the moment an act was due, so waiting for its turn counts.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import islice
from typing import Any, Final

import aiohttp

from benchmarks.simulation.http import Http, Integration, gathered
from benchmarks.simulation.population import DAY, Schedule
from pipeline.errors import SpendlineError

AT_ONCE: Final = 256  # acts on their way
_PREPARING_AT_ONCE: Final = 16
_BATCH: Final = 500  # rows of a post of history
HISTORY_DAYS: Final = 30

Row = dict[str, Any]


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


@dataclass(slots=True)
class Person:
    """A user with one account, and what their app holds: a tag by what was asked last of a path."""

    user_id: str
    account_id: str
    pushed: int = 0
    cursor: str = ""
    tags: dict[str, tuple[dict[str, Any], str]] = field(default_factory=dict)


class Crowd:
    """The people who are driven; `descriptors` are what their cards print."""

    def __init__(self, http: Http, descriptors: Sequence[str], first: date) -> None:
        self._http = http
        self._integration = Integration(http)
        self._descriptors = descriptors
        self._first = first
        self.people: list[Person] = []
        self.seen = Seen()

    async def register(self, people: int, run: str) -> None:
        names = [f"{run}-{number}" for number in range(people)]
        opened = [self._integration.open_account(name, name, "GBP") for name in names]
        self.people = [Person(*ids) for ids in await gathered(opened, _PREPARING_AT_ONCE)]

    async def remember(self, rows: Sequence[int], done: Callable[[int], None]) -> None:
        """Push so many `rows` of each person, spread over the days before the first."""
        history = self._history(rows)
        batches = iter(lambda: list(islice(history, _BATCH)), [])

        async def push() -> None:
            for batch in batches:
                await self._integration.push(batch)
                done(len(batch))

        await asyncio.gather(*(push() for _ in range(_PREPARING_AT_ONCE)))

    def _history(self, rows: Sequence[int]) -> Iterator[Row]:
        """Made when it is pushed: a large base's would fill the memory."""
        for person, count in zip(self.people, rows, strict=True):
            for n in range(count):
                yield self._row(person, self._first - timedelta(days=1 + n % HISTORY_DAYS))

    async def live(
        self, schedule: Schedule, speed: float, began: float, done: Callable[[int], None]
    ) -> None:
        """Do what is scheduled when it is due; the days begin at `began`, of time.monotonic()."""
        slots = asyncio.Semaphore(AT_ONCE)

        async def one(act: Coroutine[Any, Any, None], due: float) -> None:
            await self._counted(act, due)
            slots.release()
            done(1)

        async with asyncio.TaskGroup() as acts:
            for at, user, rows in zip(schedule.at, schedule.user, schedule.rows, strict=True):
                due = began + float(at) / speed
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                await slots.acquire()
                today = self._first + timedelta(days=int(at // DAY))
                acts.create_task(one(self._act(self.people[user], int(rows), today, due), due))

    def _act(self, person: Person, rows: int, today: date, due: float) -> Coroutine[Any, Any, None]:
        return self._push(person, rows, today, due) if rows else self._open(person, today, due)

    async def _counted(self, act: Coroutine[Any, Any, None], due: float) -> None:
        self.seen.late.append(time.monotonic() - due)
        try:
            await act
        except (SpendlineError, aiohttp.ClientError, TimeoutError):
            self.seen.errors += 1

    async def _push(self, person: Person, count: int, today: date, due: float) -> None:
        self.seen.pushes += 1
        self.seen.pushed += count
        fate = await self._integration.push([self._row(person, today) for _ in range(count)])
        self.seen.stored += fate.receipt["added"]
        self.seen.post.append(fate.accepted - due)
        self.seen.visible.append(fate.stored - due)

    async def _open(self, person: Person, today: date, due: float) -> None:
        """An app comes to the front: what changed, the first page, this month's spending.

        The first is due with the opening, each other one with the answer before it.
        """
        cursor = {"cursor": person.cursor} if person.cursor else {}
        changed = await self._read(person, due, "transactions/sync", limit=500, **cursor)
        if changed is not None:
            person.cursor = changed["next_cursor"]
        await self._read(person, time.monotonic(), "transactions", limit=50)
        await self._read(person, time.monotonic(), "insights/spending", month=f"{today:%Y-%m}")

    async def _read(self, person: Person, due: float, path: str, **query: Any) -> Any:
        asked, tag = person.tags.get(path, ({}, ""))
        found = await self._http.get(
            f"/v1/users/{person.user_id}/{path}", tag if asked == query else "", **query
        )
        self.seen.read.append(time.monotonic() - due)
        self.seen.reads += 1
        self.seen.hits += found.hit
        person.tags[path] = (query, found.tag)
        return found.body

    def _row(self, person: Person, booked: date) -> Row:
        person.pushed += 1
        number = person.pushed
        return {
            "transaction_id": f"{number}",
            "account_id": person.account_id,
            "date": booked.isoformat(),
            "amount": f"-{1 + number % 90}.{number % 100:02d}",
            "currency": "GBP",
            "description": self._descriptors[
                (number * 7919 + int(person.user_id[:8], 16)) % len(self._descriptors)
            ],
        }
