"""Put the load of a user base on a system, and say what it costs and what a machine holds."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import asyncpg
import click
import msgspec
import numpy as np

from workers.cli._progress import progress
from workers.cli._system import Site, system, watched
from workers.demo import cards
from workers.demo.clients import Http
from workers.simulation import report
from workers.simulation.capacity import Cost, need, users_held
from workers.simulation.drive import HISTORY_DAYS, Crowd, Seen
from workers.simulation.population import DAY, appetites, schedule

_FEED = Path(__file__).parents[2] / "benchmarks" / "data" / "purchase_cards.csv.gz"
_CORES = len(os.sched_getaffinity(0))
_SEED = 23


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """So many of the users are really there; their days pass within `minutes`."""

    users: int
    days: int
    sample: int
    minutes: float

    @property
    def speed(self) -> float:
        return self.days * DAY / (self.minutes * 60)


@click.command()
@click.option("--users", default=100_000, show_default=True, type=click.IntRange(1))
@click.option("--days", default=7, show_default=True, type=click.IntRange(1, 60))
@click.option("--sample", default=500, show_default=True, help="Users who are really driven.")
@click.option("--minutes", default=2.0, show_default=True, help="That the days are pressed into.")
@click.option("--scale-to", type=click.IntRange(1), help="Also estimate for so many users.")
@click.option("--api", help="URL of a running API; needs --token.")
@click.option("--token", help="With the scopes ingest, read and manage.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    *,
    users: int,
    days: int,
    sample: int,
    minutes: float,
    scale_to: int | None,
    api: str | None,
    token: str | None,
    as_json: bool,
) -> None:
    """A sample of the users is registered, remembered for 30 days, and lives its days at speed.

    Starts the system for itself unless a running one is given. What is said of more users than the
    sample is an estimate. The exit status is 0 only when nothing was lost and nothing failed.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    plan = Plan(users=users, days=days, sample=min(sample, users), minutes=minutes)
    today = datetime.now(UTC).date()
    span = (today - timedelta(days=days + HISTORY_DAYS), today)
    with system("simulate", api, token, span, {}) as site:
        result = asyncio.run(watched(_run(site, plan), site.watch))
    cost = Cost(**result["cost"])
    wanted = [users, *([scale_to] if scale_to else [])] if cost.seen else []
    result["users_held"] = users_held(cost, _CORES) if cost.seen else None
    result["estimates"] = [asdict(need(cost, number, _CORES)) for number in wanted]
    click.echo(msgspec.json.encode(result)) if as_json else report.show(result)
    sys.exit(0 if result["measured"]["lost"] == result["measured"]["errors"] == 0 else 1)


async def _run(site: Site, plan: Plan) -> dict[str, Any]:
    first = datetime.now(UTC).date() - timedelta(days=plan.days - 1)
    events = schedule(plan.sample, plan.days, _SEED)
    habits = appetites(plan.sample, np.random.default_rng(_SEED))
    past = np.maximum(1, np.rint(habits * HISTORY_DAYS)).astype(int).tolist()
    headers = {"Authorization": f"Bearer {site.token}"}
    timeout = aiohttp.ClientTimeout(total=60)
    async with aiohttp.ClientSession(site.url, headers=headers, timeout=timeout) as session:
        descriptors = [purchase.merchant for purchase in cards.read(_FEED, 5_000)]
        crowd = Crowd(Http(session), descriptors, first)
        await crowd.register(plan.sample, f"simulated-{uuid4().hex[:8]}")
        before, size = site.cpu(), await _bytes(site)
        with progress("remembered", sum(past)) as done:
            await crowd.remember(past, done)
        written, size = site.cpu(), await _bytes(site) - size
        began = time.monotonic()
        with progress("pushed and opened", len(events)) as done:
            await crowd.live(events, plan.speed, done)
        elapsed = time.monotonic() - began
        lived = site.cpu()
    user_days = plan.sample * plan.days / 1_000
    return {
        "plan": asdict(plan) | {"seed": _SEED, "cores": _CORES},
        "measured": _figures(crowd.seen, plan, elapsed),
        "cost": {
            "per_million_transactions": _spent(before, written, sum(past) / 1e6),
            "per_thousand_users_a_day": _spent(written, lived, user_days),
            "bytes_a_transaction": round(size / sum(past), 1),
        },
    }


def _figures(seen: Seen, plan: Plan, elapsed: float) -> dict[str, Any]:
    return {
        "users_driven": plan.sample,
        "speed": round(plan.days * DAY / elapsed),
        "pushed": seen.pushed,
        "lost": seen.pushed - seen.stored,
        "errors": seen.errors,
        "reads": seen.reads,
        "hit_rate": round(seen.hits / max(1, seen.reads), 3),
        "visible_ms": _quantiles(seen.visible),
        "read_ms": _quantiles(seen.read),
        "late_ms": _quantiles(seen.late),
    }


def _quantiles(seconds: Sequence[float]) -> dict[str, float]:
    points = np.quantile(seconds, [0.5, 0.99]) * 1_000 if seconds else np.zeros(2)
    return dict(zip(("p50", "p99"), points.round(1).tolist(), strict=True))


def _spent(before: dict[str, float], after: dict[str, float], units: float) -> dict[str, float]:
    return {kind: round((after[kind] - before[kind]) / units, 3) for kind in after}


async def _bytes(site: Site) -> int:
    """Of the database; 0 of a system that is not our own."""
    if not site.database_url:
        return 0
    connection = await asyncpg.connect(site.database_url)
    size: int = await connection.fetchval("SELECT pg_database_size(current_database())")
    await connection.close()
    return size
