"""What the cache saves: apps read while rows arrive, on one API with the cache and one without.

    python -m benchmarks.cache [--sessions N] [--users N] [--json]

A user opens the app three times a day, and the bank pushes the day's two or three transactions once.
So five rows arrive in every six sessions, and one push has those of some 20 users.

A session is an opening and four more screens. The opening reads what changed since the last one, the
first page of the feed, and the spending of this month and of the last. Each other screen is either the
dashboard (both months and the feed) or the list (what changed and the feed). Every user is equally
likely to open the app, because favourites would help a cache. Hours lie between two sessions of a
user. So before each one Redis loses the user's position, which it keeps for a minute; it keeps
answers for a day.

There are two kinds of clients, each with and without the cache. Plain clients read every answer in
full; the claimed savings are theirs. The others keep ETags, so that they get a 304 from an API
without a cache too. A fifth run writes as much and reads nothing: no cache can save its CPU.
The CPU of PostgreSQL is that of all its processes. The purchases are moved from 2014 to end
yesterday, so that the system has the two years of months of a new one.
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import chain
from typing import Any
from uuid import UUID

import asyncpg
import uvloop

from benchmarks.app_users import DASHBOARD, LIST, OPENING, AppUser, ReadCounter
from benchmarks.harness.bank_feed import (
    BankFeed,
    api_url,
    create_token,
    open_card_accounts,
    open_feed,
)
from benchmarks.harness.flood import flood_feed
from benchmarks.harness.machine import describe_origin
from benchmarks.harness.progress import show_steps
from benchmarks.harness.report import parse_arguments, publish_result
from benchmarks.harness.running import Running, start_system
from benchmarks.harness.workload import Purchase, build_bodies, generate_purchases
from client import (
    NO_RETRIES,
    Account,
    Client,
    SpendingReport,
    TransactionPage,
)
from pipeline.cache.connection import open_redis
from pipeline.settings import Settings

SEED = 17
_HISTORY = 40_000
_COPIES = 20  # of the real cards: the history then spans some months, not years
_APPS = 8  # are open at a time
_SCREENS = 4  # after the opening
_SESSIONS_PER_WRITE = 60
_WRITE_ROWS = 50
_DAY_ROWS = (2, 3)  # of a user, which the bank pushes together
_HISTORY_BATCH = 500
_COMPARED = 25  # users whose answers are computed anew at the end

_KEPT_BYTES = 64 * 2**20  # room for all answers of all apps


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
    load = _move_to_yesterday(
        generate_purchases(_HISTORY + writes * _WRITE_ROWS, seed=SEED, copies=_COPIES)
    )
    counter = ReadCounter()
    async with (
        open_feed(target.settings) as feed,
        _open_apps_client(target.settings, variant, counter) as client,
        open_redis(target.settings.redis_url) as redis,
    ):
        accounts = await open_card_accounts(
            feed.client, load, lambda card: f"person {_number_card(card) % users}"
        )
        history, late = load[:_HISTORY], _group_by_day(load[_HISTORY:], accounts)
        await flood_feed(feed, build_bodies(history, accounts, _HISTORY_BATCH), _HISTORY_BATCH)
        user_ids = sorted({account.user_id for account in accounts.values()})
        apps = [AppUser(client, user_id, _last_months(history)) for user_id in user_ids]
        for app in apps:  # the first opening of an app is not what is measured
            await _read_everything(app)
        counter.clear()
        positions = f"{target.settings.key_prefix}:position:"

        async def pass_hours(app: AppUser) -> None:
            if variant.cached:
                await redis.unlink(positions + app.user_id.hex)

        calls, spent = await _count_transactions(target.settings.database_url), target.read_cpu()
        use = Use(
            feed, apps, build_bodies(late, accounts, _WRITE_ROWS), pass_hours, reads=variant.reads
        )
        await use.run_sessions(sessions)
        after = target.read_cpu()
        return counter.counts.copy() | {
            "sql": await _count_transactions(target.settings.database_url) - calls,
            **{f"{kind}_cpu": round(after[kind] - spent[kind], 2) for kind in after},
            "same_answers": await _same_answers(target, apps) if variant.name == "on" else None,
        }


@asynccontextmanager
async def _open_apps_client(
    settings: Settings, variant: Variant, counter: ReadCounter
) -> AsyncIterator[Client]:
    """The client of all apps; it keeps answers only if the apps of the variant do."""
    async with Client(
        api_url(settings),
        await create_token(settings),
        retries=NO_RETRIES,
        kept_bytes=_KEPT_BYTES if variant.conditional else 0,
        observe=counter.observe,
    ) as client:
        yield client


def _number_card(card: str) -> int:
    """A number that does not differ between runs, as hash() does."""
    return int.from_bytes(card.encode(), "big")


def _move_to_yesterday(load: list[Purchase]) -> list[Purchase]:
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    later = yesterday - max(date.fromisoformat(purchase.date) for purchase in load)
    return [
        replace(purchase, date=str(date.fromisoformat(purchase.date) + later)) for purchase in load
    ]


def _last_months(load: list[Purchase]) -> tuple[str, str]:
    """The month in which the history ends, and the one before."""
    this, last = sorted({purchase.date[:7] for purchase in load})[:-3:-1]
    return this, last


def _group_by_day(late: list[Purchase], accounts: Mapping[str, Account]) -> list[Purchase]:
    """Order the rows as a bank pushes them: some of one user, then some of another."""
    draw, left = random.Random(SEED), defaultdict[UUID, list[Purchase]](list)
    for purchase in late:
        left[accounts[purchase.card].user_id].append(purchase)
    days = []
    for rows in left.values():
        while rows:
            size = draw.choice(_DAY_ROWS)
            days.append(rows[:size])
            del rows[:size]
    draw.shuffle(days)
    return list(chain.from_iterable(days))


async def _read_everything(app: AppUser) -> None:
    """Open the app until no more changes come."""
    previous = None
    while previous is None or previous != app.cursor:
        previous = app.cursor
        await app.open_screen(OPENING)


@dataclass(frozen=True, slots=True)
class Use:
    """The apps in use, and the bank's `writes` beside them; `pass_hours` runs before each session."""

    feed: BankFeed
    apps: list[AppUser]
    writes: list[bytes]
    pass_hours: Callable[[AppUser], Awaitable[None]]
    reads: bool

    async def run_sessions(self, count: int) -> None:
        """Run `count` sessions, some at a time; a batch arrives after every so many."""
        draw = random.Random(SEED)
        numbers, batches = iter(range(1, count + 1)), iter(self.writes)

        async def run_some() -> None:
            for number in numbers:
                app = draw.choice(self.apps)
                screens = [OPENING, *(draw.choice((DASHBOARD, LIST)) for _ in range(_SCREENS))]
                if self.reads:
                    await self.pass_hours(app)
                    for screen in screens:
                        await app.open_screen(screen)
                if number % _SESSIONS_PER_WRITE == 0:
                    await self.feed.wait_for_receipt(await self.feed.push(next(batches)))

        await asyncio.gather(*(run_some() for _ in range(_APPS)))


async def _count_transactions(url: str) -> int:
    connection = await asyncpg.connect(url)
    await connection.execute("SELECT pg_stat_force_next_flush()")
    calls = await connection.fetchval(
        "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
    )
    await connection.close()
    return int(calls)


async def _same_answers(target: Running, apps: list[AppUser]) -> bool:
    """Whether answers as served are those that PostgreSQL gives once Redis is empty."""
    served = [await _read_answers(app) for app in apps[:_COMPARED]]
    async with open_redis(target.settings.redis_url) as redis:
        async for key in redis.scan_iter(f"{target.settings.key_prefix}:*", count=1_000):
            await redis.unlink(key)
    return served == [await _read_answers(app) for app in apps[:_COMPARED]]


async def _read_answers(app: AppUser) -> tuple[TransactionPage, list[SpendingReport]]:
    return await app.read_feed(), await app.read_spending()


def main() -> None:
    options = parse_arguments(__doc__, sessions=1_200, users=100)
    origin, runs = describe_origin(SEED), {}
    with show_steps("cache", len(_VARIANTS)) as step:
        for variant in _VARIANTS:
            step(f"{options.sessions:,} sessions: {variant.name.replace('_', ' ')}")
            seconds = 60.0 if variant.cached else 0.0
            with start_system(workers=1, old_months=False, cache_seconds=seconds) as target:
                measured = _measure(target, variant, options.sessions, options.users)
                runs[variant.name] = uvloop.run(measured)
    result = {
        "sessions": options.sessions,
        "users": options.users,
        **_savings(runs["on"], runs["off"]),
        "with_etags": _savings(runs["on_etags"], runs["off_etags"]),
        "cache_and_etags": _savings(runs["on_etags"], runs["off"]),
        "same_answers": runs["on"]["same_answers"],
        "runs": runs,
    }
    publish_result("cache", result | origin | {"servers": target.versions}, options)


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
