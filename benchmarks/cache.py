"""What the cache saves: apps that read, with writes beside them, on the same API without the cache.

    python -m benchmarks.cache [--sessions N] [--users N] [--json]

A user opens the app three times a day; once a day the bank tells of the day's two or three
transactions. So five rows arrive in every six sessions, and the bank's integration pushes those of 20
users in a batch. A session is an opening (what changed since the last one, the first page of the feed, the
spending of this month and of the last) and four more screens, each the dashboard (both months, the
feed) or the list (what changed, the feed). Every user is as likely as any other to open the app: no
favourites, which would help a cache. Hours lie between two sessions of a user, so before each one Redis
is made to forget the user's position, which it knows for a minute; answers it keeps for a day.

Clients of two kinds, each with and without the cache: plain ones, which the savings are told of, and
those that keep the ETag of each answer and send it again, for which an API without a cache has a 304
too. A fifth run makes the same writes and reads nothing: its database CPU no cache can save. The CPU of
PostgreSQL is that of all its processes. The purchases are of 2014; they are moved to end yesterday, so
that the system has the two years of months of a new one.
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from itertools import chain
from typing import Any
from uuid import UUID

import asyncpg
import uvloop

from benchmarks.harness.flood import flood
from benchmarks.harness.machine import provenance
from benchmarks.harness.progress import steps
from benchmarks.harness.report import arguments, publish
from benchmarks.harness.running import Client, Running, connected, running
from benchmarks.harness.workload import Purchase, bodies, purchases
from pipeline.cache.connection import open_redis

SEED = 17
_HISTORY = 40_000
_COPIES = 20  # of the real cards: the history then spans some months, not years
_APPS = 8  # that are open at a time
_SCREENS = 4  # after the opening
_SESSIONS_PER_WRITE = 60
_WRITE_ROWS = 50
_DAY_ROWS = (2, 3)  # of a user, that the bank tells together
_HISTORY_BATCH = 500
_COMPARED = 25  # users whose answers are computed anew at the end

_FEED = "transactions?limit=50"
_SYNC = "transactions/sync?limit=500"


@dataclass(slots=True)
class App:
    """One user's app: what it holds, and how it reads."""

    client: Client
    user: str
    months: tuple[str, str]
    conditional: bool  # whether it keeps ETags
    cursor: str = ""
    tags: dict[str, str] = field(default_factory=dict)

    def opening(self) -> list[str]:
        return [_SYNC, _FEED, *self.months]

    def screen(self, draw: random.Random) -> list[str]:
        return draw.choice([[*self.months, _FEED], [_SYNC, _FEED]])

    async def read(self, path: str, seen: dict[str, int]) -> None:
        """Read and count `reads`, `unchanged` (304) and `hits` (answered without PostgreSQL)."""
        url = f"/v1/users/{self.user}/{path}"
        if path == _SYNC and self.cursor:
            url += f"&cursor={self.cursor}"
        headers = {"If-None-Match": self.tags[url]} if url in self.tags else {}
        async with self.client.session.get(url, headers=headers) as answer:
            answer.raise_for_status()
            body = await answer.json() if answer.status == 200 else None
        if self.conditional:
            self.tags[url] = answer.headers["ETag"]
        if path == _SYNC and body is not None:
            self.cursor = body["next_cursor"]
        seen["reads"] += 1
        seen["unchanged"] += answer.status == 304
        seen["hits"] += "hit" in answer.headers.get("Cache-Status", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    name: str
    cached: bool
    conditional: bool
    reads: bool = True


_VARIANTS = (
    Variant(name="on", cached=True, conditional=False),
    Variant(name="off", cached=False, conditional=False),
    Variant(name="on_etags", cached=True, conditional=True),
    Variant(name="off_etags", cached=False, conditional=True),
    Variant(name="writes_alone", cached=True, conditional=False, reads=False),
)


async def _measure(target: Running, variant: Variant, sessions: int, users: int) -> dict[str, Any]:
    writes = sessions // _SESSIONS_PER_WRITE
    load = _ending_yesterday(purchases(_HISTORY + writes * _WRITE_ROWS, seed=SEED, copies=_COPIES))
    async with connected(target.settings) as client:
        accounts, owners = await client.register(
            load, lambda card: f"person {_number(card) % users}"
        )
        history, late = load[:_HISTORY], _by_day(load[_HISTORY:], owners)
        await flood(client, bodies(history, accounts, _HISTORY_BATCH), _HISTORY_BATCH)
        months = _months(history)
        apps = [
            App(client, user, months, variant.conditional) for user in sorted(set(owners.values()))
        ]
        for app in apps:  # the first opening of an app is not what is measured
            await _read_all(app)
        redis = open_redis(target.settings.redis_url)
        positions = f"{target.settings.key_prefix}:position:"

        async def pass_hours(app: App) -> None:
            if variant.cached:
                await redis.unlink(positions + UUID(app.user).hex)

        calls, spent = await _sql_calls(target.settings.database_url), target.cpu()
        use = Use(
            client, apps, bodies(late, accounts, _WRITE_ROWS), pass_hours, reads=variant.reads
        )
        seen = await use.sessions(sessions)
        after = target.cpu()
        await redis.aclose()
        return seen | {
            "sql": await _sql_calls(target.settings.database_url) - calls,
            **{f"{kind}_cpu": round(after[kind] - spent[kind], 2) for kind in after},
            "same_answers": await _same_answers(target, apps) if variant.name == "on" else None,
        }


def _number(card: str) -> int:
    """The same in every run, as hash() is not."""
    return int.from_bytes(card.encode(), "big")


def _ending_yesterday(load: list[Purchase]) -> list[Purchase]:
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    later = yesterday - max(date.fromisoformat(purchase.date) for purchase in load)
    return [
        replace(purchase, date=str(date.fromisoformat(purchase.date) + later)) for purchase in load
    ]


def _months(load: list[Purchase]) -> tuple[str, str]:
    """The spending of the month in which the history ends, and of the one before."""
    this, last = sorted({purchase.date[:7] for purchase in load})[:-3:-1]
    return f"insights/spending?month={this}", f"insights/spending?month={last}"


def _by_day(late: list[Purchase], owners: dict[str, str]) -> list[Purchase]:
    """The same rows as a bank tells them: some of one user, then some of another."""
    draw, left = random.Random(SEED), defaultdict[str, list[Purchase]](list)
    for purchase in late:
        left[owners[purchase.card]].append(purchase)
    days = []
    for rows in left.values():
        while rows:
            size = draw.choice(_DAY_ROWS)
            days.append(rows[:size])
            del rows[:size]
    draw.shuffle(days)
    return list(chain.from_iterable(days))


async def _read_all(app: App) -> None:
    """All screens, and the feed until nothing is left to sync."""
    before = None
    while before != app.cursor:
        before = app.cursor
        for path in app.opening():
            await app.read(path, _nothing_seen())


def _nothing_seen() -> dict[str, int]:
    return {"reads": 0, "unchanged": 0, "hits": 0}


@dataclass(frozen=True, slots=True)
class Use:
    """The apps in use, `pass_hours` before each session, and the bank's `writes` beside them."""

    client: Client
    apps: list[App]
    writes: list[bytes]
    pass_hours: Callable[[App], Awaitable[None]]
    reads: bool

    async def sessions(self, count: int) -> dict[str, int]:
        """So many, some at a time; after every so many a batch of transactions arrives."""
        draw, seen = random.Random(SEED), _nothing_seen()
        numbers, batches = iter(range(1, count + 1)), iter(self.writes)

        async def one() -> None:
            for number in numbers:
                app = draw.choice(self.apps)
                screens = [app.opening(), *(app.screen(draw) for _ in range(_SCREENS))]
                if self.reads:
                    await self.pass_hours(app)
                    for path in chain.from_iterable(screens):
                        await app.read(path, seen)
                if number % _SESSIONS_PER_WRITE == 0:
                    await self.client.stored(await self.client.push(next(batches)))

        await asyncio.gather(*(one() for _ in range(_APPS)))
        return seen


async def _sql_calls(url: str) -> int:
    connection = await asyncpg.connect(url)
    await connection.execute("SELECT pg_stat_force_next_flush()")
    calls = await connection.fetchval(
        "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
    )
    await connection.close()
    return int(calls)


async def _same_answers(target: Running, apps: list[App]) -> bool:
    """Whether answers as served are those that PostgreSQL gives once Redis has forgotten all."""
    asked = [(app, path) for app in apps[:_COMPARED] for path in (_FEED, *app.months)]
    served = [await _body(app, path) for app, path in asked]
    redis = open_redis(target.settings.redis_url)
    async for key in redis.scan_iter(f"{target.settings.key_prefix}:*", count=1_000):
        await redis.unlink(key)
    await redis.aclose()
    return served == [await _body(app, path) for app, path in asked]


async def _body(app: App, path: str) -> bytes:
    async with app.client.session.get(f"/v1/users/{app.user}/{path}") as answer:
        answer.raise_for_status()
        return await answer.read()


def main() -> None:
    given = arguments(__doc__, sessions=1_200, users=100)
    told, runs = provenance(SEED), {}
    with steps("cache", len(_VARIANTS)) as step:
        for variant in _VARIANTS:
            step(f"{given.sessions:,} sessions: {variant.name.replace('_', ' ')}")
            seconds = 60.0 if variant.cached else 0.0
            with running(workers=1, old_months=False, cache_seconds=seconds) as target:
                measured = _measure(target, variant, given.sessions, given.users)
                runs[variant.name] = uvloop.run(measured)
    result = {
        "sessions": given.sessions,
        "users": given.users,
        **_savings(runs["on"], runs["off"]),
        "with_etags": _savings(runs["on_etags"], runs["off_etags"]),
        "cache_and_etags": _savings(runs["on_etags"], runs["off"]),
        "same_answers": runs["on"]["same_answers"],
        "runs": runs,
    }
    publish("cache", result | told | {"servers": target.versions}, given)


def _savings(run: dict[str, Any], without: dict[str, Any]) -> dict[str, float | None]:
    """Shares from 0 to 1: of reads that PostgreSQL was not asked for, and of what was saved."""
    return {
        "hit_rate": round(run["hits"] / run["reads"], 3),
        "sql_saved": _saved(run, without, "sql"),
        "database_cpu_saved": _saved(run, without, "postgres_cpu"),
        "api_cpu_saved": _saved(run, without, "api_cpu"),
    }


def _saved(run: dict[str, Any], off: dict[str, Any], name: str) -> float | None:
    """A share; None when it could not be seen, as the CPU of servers that are not our own."""
    return round(1 - run[name] / off[name], 3) if off.get(name) else None


if __name__ == "__main__":
    main()
