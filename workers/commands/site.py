"""A whole system for one command: the one that is given, or one that lives as long as the command."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from pipeline.access.tokens import Tokens
from pipeline.database import partitions
from pipeline.database.pool import open_connection, open_pool, translated
from pipeline.errors import ServerFailed
from pipeline.settings import Settings
from workers.commands.data.migrate import bring_up
from workers.local.child import Child
from workers.local.stack import LocalStack, discover
from workers.local.supervisor import API, WORKERS, System
from workers.local.usage import cpu_seconds

T = TypeVar("T")
_CORES = len(os.sched_getaffinity(0))
_WATCH_SECONDS: Final = 0.5
_SCOPES = ("ingest", "read", "manage")
_API = "api-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where a system is, and what is known of it; of a given one nothing but where it is."""

    url: str
    token: str
    database_url: str = ""
    watch: Callable[[], None] = lambda: None  # raises ServerFailed when one of its processes ended
    cpu: Callable[[], dict[str, float]] = dict  # CPU seconds so far by kind of process


async def watched(work: Coroutine[Any, Any, T], watch: Callable[[], None]) -> T:
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
def system(
    name: str,
    api: str | None,
    token: str | None,
    span: tuple[date, date],
    times: dict[str, float],
    **changed: Any,
) -> Iterator[Site]:
    """The system at `api`, else one in the folder `name` with the months of `span`.

    `changed` are settings of the latter.
    """
    if api is not None:
        if token is None:
            raise click.UsageError("--api needs --token")
        yield Site(url=api, token=token)
        return
    settings = Settings.from_environment()
    folder = Path(settings.data_folder) / name
    began = time.monotonic()
    stack = discover(settings, folder / "stack", keep=False, say=_say)
    with stack as urls:
        settings = replace(
            settings,
            database_url=urls.database,
            broker_url=urls.broker,
            redis_url=urls.redis,
            api_port=_free_port(settings.api_host),
            **changed,
        )
        asyncio.run(_prepare(settings, *span))
        lap(times, "stack", began)
        began = time.monotonic()
        with System(settings, folder / "system") as processes:
            workers = [f"worker-{number}" for number in range(1, _CORES + 1)]
            processes.start(_API, API)
            for worker in workers:
                processes.start(worker, WORKERS)
            _say("processes: starting; the first start of a checkout compiles the categorizer")
            processes.wait_until_ready()
            lap(times, "processes", began)
            yield Site(
                url=f"http://{settings.api_host}:{settings.api_port}",
                token=asyncio.run(_token(settings.database_url)),
                database_url=settings.database_url,
                watch=lambda: _require_alive(processes, [_API, *workers]),
                cpu=lambda: _cpu(stack, processes, workers),
            )


def _cpu(stack: LocalStack, processes: System, workers: Sequence[str]) -> dict[str, float]:
    """Of servers only when they are our own."""
    children = {"api": [processes.child(_API)], "workers": [processes.child(w) for w in workers]}
    children |= {name: [stack.process(name)] for name in stack.servers}
    return {kind: cpu_seconds(map(_pid, some)) for kind, some in children.items()}


def _pid(child: Child) -> int:
    return child.process.pid if child.process is not None else 0


def _require_alive(system: System, names: Sequence[str]) -> None:
    for name in names:
        if not system.child(name).alive:
            raise ServerFailed(f"{name} has ended; see {system.folder / name}.log")


async def _prepare(settings: Settings, first: date, last: date) -> None:
    """Migrations, queues, and the months that the feed needs."""
    await bring_up(settings)
    async with translated(), open_connection(settings.database_url) as connection:
        await partitions.ensure(connection, first, last)


async def _token(url: str) -> str:
    async with await open_pool(url, size=1, name="spendline-client", timeout=10) as pool:
        made = await Tokens(pool).create("client", _SCOPES)
    if made is None:
        raise ServerFailed("no token was made")
    return made.text


def lap(times: dict[str, float], name: str, began: float) -> None:
    times[name] = round(time.monotonic() - began, 2)


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def _say(line: str) -> None:
    click.echo(line, err=True)
