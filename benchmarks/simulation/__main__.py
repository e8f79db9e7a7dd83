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
from benchmarks.simulation.capacity import cost_of, need, users_held
from benchmarks.simulation.drive import AT_ONCE, HISTORY_DAYS
from benchmarks.simulation.load import SEED, Ground, Load, put_on
from benchmarks.simulation.meter import Meter
from benchmarks.simulation.population import DAY, Plan
from client import Client
from pipeline.settings import Settings
from workers.commands.progress import progress
from workers.local.demo import cards
from workers.local.private_system import Site, system, watched

_CORES = len(os.sched_getaffinity(0))
_SECONDS: Final = 60.0  # of one request
_KEPT_BYTES: Final = 64 * 2**20  # answers that the apps hold
_MINUTES: Final = 2.0
_FASTEST: Final = Settings().cache_seconds * 1_000  # the cache lives whole milliseconds


@click.command()
@click.option("--users", default=100_000, show_default=True, type=click.IntRange(1))
@click.option("--days", default=7, show_default=True, type=click.IntRange(1, 60))
@click.option("--scale-to", type=click.IntRange(1), help="Then measure so many users as well.")
@click.option(
    "--minutes",
    type=click.FloatRange(0, min_open=True),
    help=f"That the days pass in.  [default: {_MINUTES:g}]",
)
@click.option(
    "--speed", type=float, help="Or how much faster than in life they pass; 1: as in life."
)
@click.option("--api", help="URL of a running API; needs --token. Its cache keeps its own time.")
@click.option("--token", help="With the scopes ingest, read and manage.")
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
    """People with 30 days behind them live their days at speed, and what it takes is measured.

    Users divided by speed, rounded and at least one, are really there: so pushes and reads come as
    often a second as those of all users in life. The cache's times shrink with the days.

    Starts the system for itself unless a running one is given. What is said of the cores that users
    need is an estimate. The exit status is 0 only when nothing was lost and nothing failed.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    rate = _speed(days, minutes, speed)
    wanted = [users, *([scale_to] if scale_to else [])]
    plans = [Plan(users=number, days=days, speed=rate) for number in wanted]
    today = datetime.now(UTC).date()
    span = (today - timedelta(days=days + HISTORY_DAYS), today)
    cached = Settings().cache_seconds / rate
    with system("simulate", api, token, span, {}, cache_seconds=cached) as site:
        loads = asyncio.run(watched(_run(site, plans), site.watch))
    known = {"days": days, "speed": rate, "seed": SEED, "cores": _CORES}
    result = {"plan": known | {"cache_seconds": None if api else cached}, **_concluded(loads)}
    click.echo(msgspec.json.encode(result)) if as_json else report.show(result)
    sys.exit(0 if all(load.lost == load.errors == 0 for load in loads) else 1)


def _speed(days: int, minutes: float | None, speed: float | None) -> float:
    if minutes is not None and speed is not None:
        raise click.UsageError("--minutes and --speed exclude each other")
    found = speed if speed is not None else days * DAY / (60 * (minutes or _MINUTES))
    if not 1 <= found <= _FASTEST:
        raise click.UsageError(f"days pass 1 to {_FASTEST:,.0f} times as fast as in life")
    return found


async def _run(site: Site, plans: Sequence[Plan]) -> list[Load]:
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
        descriptors=[purchase.merchant for purchase in cards.read(cards.FEED, 5_000)],
        progress=progress,
    )
    return [await put_on(ground, plan) for plan in plans]


def _concluded(loads: Sequence[Load]) -> dict[str, Any]:
    """The loads, their cost, and what follows from it."""
    cost = cost_of(loads)
    told = {"loads": [load.told() for load in loads], "cost": cost and asdict(cost)}
    if cost is None:
        return told | {"users_held": None, "estimates": []}
    needs = [asdict(need(cost, load.users, _CORES)) for load in loads]
    return told | {"users_held": users_held(cost, _CORES), "estimates": needs}


async def _bytes(site: Site) -> int:
    """Of the database; 0 of a system that is not our own."""
    if not site.database_url:
        return 0
    connection = await asyncpg.connect(site.database_url)
    size: int = await connection.fetchval("SELECT pg_database_size(current_database())")
    await connection.close()
    return size


if __name__ == "__main__":
    command()
