"""Put the load of a user base on a system, and say what it costs and what a machine holds."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import asyncpg
import click
import msgspec

from benchmarks.simulation import report
from benchmarks.simulation.capacity import compute_cost, estimate_need, estimate_users
from benchmarks.simulation.drive import AT_ONCE, HISTORY_DAYS
from benchmarks.simulation.load import SEED, Ground, Load, measure_load
from benchmarks.simulation.meter import Meter
from benchmarks.simulation.population import DAY, Plan
from client import Client
from pipeline.settings import Settings
from workers.commands.progress import show_progress
from workers.local.demo import cards
from workers.local.private_system import RunningSystem, open_system, run_watched

_CORES = len(os.sched_getaffinity(0))
_SECONDS: Final = 60.0  # of one request
_KEPT_BYTES: Final = 64 * 2**20  # answers that the apps hold
_MINUTES: Final = 2.0
_FASTEST: Final = Settings().cache_seconds * 1_000  # the cache lives whole milliseconds


@click.command()
@click.option("--users", default=100_000, show_default=True, type=click.IntRange(1))
@click.option("--days", default=7, show_default=True, type=click.IntRange(1, 60))
@click.option("--scale-to", type=click.IntRange(1), help="Measure this number of users afterwards.")
@click.option(
    "--minutes",
    type=click.FloatRange(0, min_open=True),
    help=f"How long the days take.  [default: {_MINUTES:g}]",
)
@click.option(
    "--speed", type=float, help="How much faster than in life the days pass, instead of --minutes."
)
@click.option(
    "--api", help="URL of a running API; needs --token. The times of its cache do not change."
)
@click.option("--token", help="Token with the scopes ingest, read and manage.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    *,
    users: int,
    days: int,
    scale_to: int | None,
    minutes: float | None,
    speed: float | None,
    api: str | None,
    token: str | None,
    as_json: bool,
) -> None:
    """Simulate people with a history of 30 days at speed, and measure what their days cost.

    The simulated people are the users divided by the speed, rounded, at least one. So pushes and
    reads come as often a second as those of all users do in life. The cache's times shrink with
    the days.

    The command starts a system of its own unless --api names a running one. The cores that users
    need are an estimate. The exit status is 0 only when nothing was lost and nothing failed.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    rate = _speed(days, minutes, speed)
    wanted = [users, *([scale_to] if scale_to else [])]
    plans = [Plan(users=number, days=days, speed=rate) for number in wanted]
    today = datetime.now(UTC).date()
    span = (today - timedelta(days=days + HISTORY_DAYS), today)
    cached = Settings().cache_seconds / rate
    with open_system("simulate", api, token, span, {}, cache_seconds=cached) as site:
        loads = asyncio.run(run_watched(_run(site, plans), site.watch))
    conditions = {"days": days, "speed": rate, "seed": SEED, "cores": _CORES}
    result = {"plan": conditions | {"cache_seconds": None if api else cached}, **_concluded(loads)}
    click.echo(msgspec.json.encode(result)) if as_json else report.show_result(result)
    sys.exit(0 if all(load.lost == load.errors == 0 for load in loads) else 1)


def _speed(days: int, minutes: float | None, speed: float | None) -> float:
    if minutes is not None and speed is not None:
        raise click.UsageError("--minutes and --speed exclude each other")
    factor = speed if speed is not None else days * DAY / (60 * (minutes or _MINUTES))
    if not 1 <= factor <= _FASTEST:
        raise click.UsageError(f"days pass 1 to {_FASTEST:,.0f} times as fast as in life")
    return factor


async def _run(site: RunningSystem, plans: Sequence[Plan]) -> list[Load]:
    """One load after the other, each of people of its own."""
    ground = Ground(
        open_client=lambda observe: Client(
            site.url,
            site.token,
            timeout=_SECONDS,
            connections=AT_ONCE,
            kept_bytes=_KEPT_BYTES,
            observe=observe,
        ),
        meter=Meter(site.cpu),
        size=lambda: _bytes(site),
        descriptors=[purchase.merchant for purchase in cards.read_purchases(cards.FEED, 5_000)],
        progress=show_progress,
    )
    return [await measure_load(ground, plan) for plan in plans]


def _concluded(loads: Sequence[Load]) -> dict[str, Any]:
    """The loads, their cost, and what follows from it."""
    cost = compute_cost(loads)
    summary = {"loads": [load.to_dict() for load in loads], "cost": cost and asdict(cost)}
    if cost is None:
        return summary | {"users_held": None, "estimates": []}
    needs = [asdict(estimate_need(cost, load.users, _CORES)) for load in loads]
    return summary | {"users_held": estimate_users(cost, _CORES), "estimates": needs}


async def _bytes(site: RunningSystem) -> int:
    """Of the database; 0 of a system that is not our own."""
    if not site.database_url:
        return 0
    connection = await asyncpg.connect(site.database_url)
    size: int = await connection.fetchval("SELECT pg_database_size(current_database())")
    await connection.close()
    return size


if __name__ == "__main__":
    command()
