"""Replay real card purchases through the whole system, over HTTP, and check every row."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import uuid4

import aiohttp
import asyncpg
import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeElapsedColumn

from pipeline import partitions
from pipeline.database import open_pool, translated
from pipeline.errors import ServerFailed
from pipeline.settings import Settings
from pipeline.stack import discover
from pipeline.tokens import Tokens
from workers.cli.migrate import bring_up
from workers.demo import cards, report
from workers.demo.cards import Purchase
from workers.demo.clients import Http
from workers.demo.replay import Outcome, replay, warm_up
from workers.processes import System

T = TypeVar("T")
_FEED = Path(__file__).parents[2] / "benchmarks" / "data" / "purchase_cards.csv.gz"
_CORES = len(os.sched_getaffinity(0))
_WATCH_SECONDS: Final = 0.5
_SCOPES = ("ingest", "read", "manage")
_TIMEOUT = aiohttp.ClientTimeout(total=60)


@click.command()
@click.option("--rows", type=click.IntRange(1), help="At most so many; all when not given.")
@click.option("--feed", type=click.Path(path_type=Path), default=_FEED, help="CSV of purchases.")
@click.option("--batch", type=click.IntRange(1, 10_000), default=500, show_default=True)
@click.option("--api", help="URL of a running API; needs --token, and months for the feed.")
@click.option("--token", help="With the scopes ingest, read and manage.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    *, rows: int | None, feed: Path, batch: int, api: str | None, token: str | None, as_json: bool
) -> None:
    """Push card purchases as a bank-feed integration, read them back as a mobile app.

    Starts the system for itself unless a running one is given. The exit status is 0 only when
    nothing was lost or duplicated and every sum agrees.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    purchases = cards.read(feed, rows)
    if not purchases:
        raise click.ClickException("the feed has no rows")
    times = {"set-up": _setup_seconds()} if _setup_seconds() else {}
    with _system(api, token, cards.months(purchases), times) as (url, bearer, watch):
        outcome = asyncio.run(_watched(_run(url, bearer, purchases, batch, times), watch))
    if as_json:
        told = asdict(outcome) | {"right": outcome.right, "times_s": times}
        click.echo(msgspec.json.encode(told))
    else:
        report.show(outcome, times)
        click.echo(report.verdict(outcome))
    sys.exit(0 if outcome.right else 1)


async def _run(
    url: str, token: str, purchases: Sequence[Purchase], batch: int, times: dict[str, float]
) -> Outcome:
    headers = {"Authorization": f"Bearer {token}"}
    run = f"demo-{uuid4().hex[:8]}"
    async with aiohttp.ClientSession(url, headers=headers, timeout=_TIMEOUT) as session:
        http = Http(session)
        began = time.monotonic()
        await warm_up(http, run)
        _lap(times, "warm-up", began)
        with _progress(len(purchases)) as advance:
            outcome = await replay(http, purchases, run, batch, advance)
        times["replay"] = outcome.replay_s
        return outcome


async def _watched(work: Coroutine[Any, Any, T], watch: Callable[[], None]) -> T:
    """The result of `work`, unless `watch`, called now and then, raises."""
    task = asyncio.create_task(work)
    try:
        while not task.done():
            await asyncio.wait([task], timeout=_WATCH_SECONDS)
            watch()
        return task.result()
    finally:
        task.cancel()


@contextmanager
def _system(
    api: str | None, token: str | None, span: tuple[date, date], times: dict[str, float]
) -> Iterator[tuple[str, str, Callable[[], None]]]:
    """(URL, token, watch) of the given system, or of one that lives as long as this command.

    `watch` raises ServerFailed when a process of the system has ended.
    """
    if api is not None:
        if token is None:
            raise click.UsageError("--api needs --token")
        yield api, token, lambda: None
        return
    settings = Settings.from_environment()
    folder = Path(settings.data_folder) / "demo"
    began = time.monotonic()
    with discover(settings, folder / "stack", keep=False, say=_say) as urls:
        settings = replace(
            settings,
            database_url=urls.database,
            broker_url=urls.broker,
            redis_url=urls.redis,
            api_port=_free_port(settings.api_host),
        )
        asyncio.run(_prepare(settings, *span))
        _lap(times, "stack", began)
        began = time.monotonic()
        with System(settings, folder / "system") as system:
            system.start("api-1", "api")
            workers = [f"worker-{number}" for number in range(1, _CORES + 1)]
            for name in workers:
                system.start(name, "workers")
            _say("processes: starting; the first start of a checkout compiles the categorizer")
            system.wait_until_ready()
            _lap(times, "processes", began)
            made = asyncio.run(_token(settings.database_url))
            url = f"http://{settings.api_host}:{settings.api_port}"
            yield url, made, lambda: _require_alive(system, ["api-1", *workers])


def _require_alive(system: System, names: Sequence[str]) -> None:
    for name in names:
        if not system.child(name).alive:
            raise ServerFailed(f"{name} has ended; see {system.folder / name}.log")


async def _prepare(settings: Settings, first: date, last: date) -> None:
    """Migrations, queues, and the months that the feed needs."""
    await bring_up(settings)
    async with translated():
        connection = await asyncpg.connect(settings.database_url, timeout=10)
        try:
            await partitions.ensure(connection, first, last)
        finally:
            await connection.close()


async def _token(url: str) -> str:
    async with await open_pool(url, size=1, name="spendline-demo", timeout=10) as pool:
        made = await Tokens(pool).create("demo", _SCOPES)
    if made is None:
        raise ServerFailed("no token was made")
    return made.text


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    """A bar on standard error, so that standard output stays clean."""
    columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("pushed and stored", total=total)
        yield lambda rows: progress.advance(task, rows)


def _setup_seconds() -> float:
    """How long `make` took to install, which it leaves in the environment's folder; 0: unknown."""
    try:
        return float(Path(sys.prefix, "run").read_text(encoding="utf-8") or 0)
    except (OSError, ValueError):
        return 0.0


def _lap(times: dict[str, float], name: str, began: float) -> None:
    times[name] = round(time.monotonic() - began, 2)


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def _say(line: str) -> None:
    click.echo(line, err=True)
