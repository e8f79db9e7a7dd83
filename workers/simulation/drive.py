"""The clients of a simulated user base: a bank that pushes, apps that read, each at its moment."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Final

from pipeline.errors import SpendlineError
from workers.demo.clients import Http, Integration
from workers.simulation.population import DAY, Schedule

_AT_ONCE: Final = 16
_BATCH: Final = 500
HISTORY_DAYS: Final = 30


@dataclass(slots=True)
class Seen:
    """Counts and seconds; `late` is how long after its moment a client acted."""

    pushed: int = 0
    stored: int = 0
    reads: int = 0
    hits: int = 0
    errors: int = 0
    visible: list[float] = field(default_factory=list)  # from POST to the receipt
    read: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)


@dataclass(slots=True)
class Person:
    """A user with one account, and what their app holds."""

    user_id: str
    account_id: str
    pushed: int = 0
    cursor: str = ""
    tags: dict[str, str] = field(default_factory=dict)


class Crowd:
    """The sampled users; `descriptors` are what their cards print."""

    def __init__(self, http: Http, descriptors: Sequence[str], first: date) -> None:
        self._http = http
        self._integration = Integration(http)
        self._descriptors = descriptors
        self._first = first
        self.people: list[Person] = []
        self.seen = Seen()

    async def register(self, users: int, run: str) -> None:
        async def one(number: int) -> Person:
            name = f"{run}-{number}"
            return Person(*await self._integration.open_account(name, name, "GBP"))

        self.people = await _gathered([lambda n=n: one(n) for n in range(users)])  # type: ignore[misc]

    async def remember(self, rows: Sequence[int], done: Callable[[int], None]) -> None:
        """Push so many `rows` of each user, spread over the days before the first."""
        history = [
            self._row(person, self._first - timedelta(days=1 + n % HISTORY_DAYS))
            for person, count in zip(self.people, rows, strict=True)
            for n in range(count)
        ]

        async def push(batch: list[dict[str, Any]]) -> None:
            await self._integration.push(batch)
            done(len(batch))

        batches = [history[at : at + _BATCH] for at in range(0, len(history), _BATCH)]
        await _gathered([lambda b=b: push(b) for b in batches])  # type: ignore[misc]

    async def live(self, schedule: Schedule, speed: float, done: Callable[[int], None]) -> None:
        """Do what is scheduled at its moment, whether or not earlier things have ended."""
        began, tasks = time.monotonic(), []
        for at, user, rows in zip(
            schedule.at.tolist(), schedule.user.tolist(), schedule.rows.tolist(), strict=True
        ):
            due = began + at / speed
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            today = self._first + timedelta(days=int(at // DAY))
            act = self._push(user, rows, today) if rows else self._open(user, today)
            tasks.append(asyncio.create_task(self._timed(act, due, done)))
        await asyncio.gather(*tasks)

    async def _timed(self, act: Any, due: float, done: Callable[[int], None]) -> None:
        self.seen.late.append(time.monotonic() - due)
        try:
            await act
        except SpendlineError:
            self.seen.errors += 1
        done(1)

    async def _push(self, user: int, count: int, today: date) -> None:
        rows = [self._row(self.people[user], today) for _ in range(count)]
        self.seen.pushed += count
        fate = await self._integration.push(rows)
        self.seen.stored += fate.receipt["added"]
        self.seen.visible.append(fate.stored - fate.sent)

    async def _open(self, user: int, today: date) -> None:
        """An app comes to the front: what changed, the first page, this month's spending."""
        person = self.people[user]
        cursor = {"cursor": person.cursor} if person.cursor else {}
        changed = await self._read(person, "transactions/sync", limit=500, **cursor)
        if changed is not None:
            person.cursor = changed["next_cursor"]
        await self._read(person, "transactions", limit=50)
        await self._read(person, "insights/spending", month=f"{today:%Y-%m}")

    async def _read(self, person: Person, path: str, **query: Any) -> Any:
        key, began = f"{path} {query}", time.monotonic()
        found = await self._http.get(
            f"/v1/users/{person.user_id}/{path}", person.tags.get(key, ""), **query
        )
        self.seen.read.append(time.monotonic() - began)
        self.seen.reads += 1
        self.seen.hits += found.hit
        person.tags[key] = found.tag
        return found.body

    def _row(self, person: Person, booked: date) -> dict[str, Any]:
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


async def _gathered(acts: Sequence[Callable[[], Any]]) -> list[Any]:
    slots = asyncio.Semaphore(_AT_ONCE)

    async def one(act: Callable[[], Any]) -> Any:
        async with slots:
            return await act()

    return await asyncio.gather(*map(one, acts))
