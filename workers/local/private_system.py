"""A running system for one command: an existing one, or a private one that ends with the command."""

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

import asyncpg
import click

from pipeline.access.tokens import Tokens
from pipeline.database import partitions
from pipeline.database.pool import open_pool, translated
from pipeline.errors import ServerFailed
from pipeline.settings import Settings
from workers.local.stack import LocalStack, discover
from workers.local.stack.child import Child
from workers.local.supervisor import API, WORKERS, System
from workers.local.usage import cpu_seconds
from workers.preparation import bring_up

T = TypeVar("T")
_CORES = len(os.sched_getaffinity(0))
_WATCH_SECONDS: Final = 0.5
_SCOPES = ("ingest", "read", "manage")
_API = "api-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where a system runs. Only a private one has a database URL and shows its processes.

    `watch` raises ServerFailed when a process has ended. `cpu` gives the CPU seconds so far by
    kind of process.
    """

    url: str
    token: str
    database_url: str = ""
    watch: Callable[[], None] = lambda: None
    cpu: Callable[[], dict[str, float]] = dict


async def watched(work: Coroutine[Any, Any, T], watch: Callable[[], None]) -> T:
    """The result of `work`. When `watch` raises, the work is cancelled and the error passes."""
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
    """Yield the system at `api`, or a private one that has the months of `span`.

    The private one keeps its files in the folder `name` and differs from the settings by `changed`.
    `times` receives the seconds of its start.
    """
    if api is None:
        with _start_private_system(name, span, times, changed) as site:
            yield site
    elif token is None:
        raise click.UsageError("--api needs --token")
    else:
        yield Site(url=api, token=token)


@contextmanager
def _start_private_system(
    name: str, span: tuple[date, date], times: dict[str, float], changed: dict[str, Any]
) -> Iterator[Site]:
    settings = Settings.from_environment()
    folder = Path(settings.data_folder) / name
    began = time.monotonic()
    stack = discover(settings, folder / "stack", keep=False, say=_print_notice)
    with stack as urls:
        settings = replace(
            settings,
            database_url=urls.database,
            broker_url=urls.broker,
            redis_url=urls.redis,
            api_port=_find_free_port(settings.api_host),
            **changed,
        )
        asyncio.run(_prepare(settings, *span))
        lap(times, "stack", began)
        began = time.monotonic()
        with System(settings, folder / "system") as processes:
            workers = _start_processes(processes)
            lap(times, "processes", began)
            yield Site(
                url=f"http://{settings.api_host}:{settings.api_port}",
                token=asyncio.run(_create_token(settings.database_url)),
                database_url=settings.database_url,
                watch=lambda: _require_alive(processes, [_API, *workers]),
                cpu=lambda: _sum_cpu(stack, processes, workers),
            )


def _start_processes(processes: System) -> list[str]:
    """Start one API process and a worker for each core; the names of the workers."""
    workers = [f"worker-{number}" for number in range(1, _CORES + 1)]
    processes.start(_API, API)
    for worker in workers:
        processes.start(worker, WORKERS)
    _print_notice("processes: starting; the first start of a checkout compiles the categorizer")
    processes.wait_until_ready()
    return workers


def _sum_cpu(stack: LocalStack, processes: System, workers: Sequence[str]) -> dict[str, float]:
    """CPU seconds by kind of process; servers count only when they are of the private stack."""
    children = {"api": [processes.child(_API)], "workers": [processes.child(w) for w in workers]}
    children |= {name: [stack.process(name)] for name in stack.servers}
    return {kind: cpu_seconds(map(_get_pid, some)) for kind, some in children.items()}


def _get_pid(child: Child) -> int:
    return child.process.pid if child.process is not None else 0


def _require_alive(system: System, names: Sequence[str]) -> None:
    for name in names:
        if not system.child(name).alive:
            raise ServerFailed(f"{name} has ended; see {system.folder / name}.log")


async def _prepare(settings: Settings, first: date, last: date) -> None:
    """Apply migrations, declare queues, and create the months from `first` to `last`."""
    await bring_up(settings)
    async with translated():
        connection = await asyncpg.connect(settings.database_url, timeout=10)
        try:
            await partitions.ensure(connection, first, last)
        finally:
            await connection.close()


async def _create_token(url: str) -> str:
    async with await open_pool(url, size=1, name="spendline-client", timeout=10) as pool:
        token = await Tokens(pool).create("client", _SCOPES)
    if token is None:
        raise ServerFailed("no token was created")
    return token.text


def lap(times: dict[str, float], name: str, began: float) -> None:
    """Write down the seconds since `began`, of time.monotonic(), under this name."""
    times[name] = round(time.monotonic() - began, 2)


def _find_free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def _print_notice(line: str) -> None:
    click.echo(line, err=True)
