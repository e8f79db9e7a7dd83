"""A command runs on an existing system, or on a private one that ends with the command."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, Final, TypeVar

from pipeline.access.tokens import Tokens
from pipeline.database import partitions
from pipeline.database.pool import open_connection, open_pool, translate_errors
from pipeline.errors import Permanent, ServerFailed
from pipeline.settings import Settings
from workers.local.child import Child
from workers.local.stack import LocalStack, discover_servers
from workers.local.supervisor import API, WORKERS, System
from workers.local.usage import measure_cpu_seconds
from workers.preparation import prepare_system

T = TypeVar("T")
_CORES = len(os.sched_getaffinity(0))
_WATCH_SECONDS: Final = 0.5
_SCOPES = ("ingest", "read", "manage")
_API = "api-1"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningSystem:
    """The place of a running system. Only a private one has a database URL and processes to see.

    `watch` raises ServerFailed when a process has ended. `cpu` gives the CPU seconds so far by
    kind of process.
    """

    url: str
    token: str
    database_url: str = ""
    watch: Callable[[], None] = lambda: None
    cpu: Callable[[], dict[str, float]] = dict


async def run_watched(work: Coroutine[Any, Any, T], watch: Callable[[], None]) -> T:
    """Return the result of `work`. When `watch` raises, cancel the work and raise the error."""
    task = asyncio.create_task(work)
    try:
        while not task.done():
            await asyncio.wait([task], timeout=_WATCH_SECONDS)
            watch()
        return task.result()
    finally:
        task.cancel()


@contextmanager
def open_system(
    name: str,
    api: str | None,
    token: str | None,
    span: tuple[date, date],
    times: dict[str, float],
    **changed: Any,
) -> Iterator[RunningSystem]:
    """Yield the system at `api`, or a private one that has the months of `span`.

    The private one keeps its files in the folder `name` and differs from the settings by `changed`.
    `times` receives the seconds of its start.
    """
    if api is None:
        with _start_private_system(name, span, times, changed) as site:
            yield site
    elif token is None:
        raise Permanent("--api needs --token")
    else:
        yield RunningSystem(url=api, token=token)


@contextmanager
def _start_private_system(
    name: str, span: tuple[date, date], times: dict[str, float], changed: dict[str, Any]
) -> Iterator[RunningSystem]:
    settings = Settings.from_environment()
    folder = Path(settings.data_folder) / name
    began = time.monotonic()
    stack = discover_servers(settings, folder / "stack", keep=False, say=_print_notice)
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
        record_seconds(times, "stack", began)
        began = time.monotonic()
        with System(settings, folder / "system") as processes:
            workers = _start_processes(processes)
            record_seconds(times, "processes", began)
            yield RunningSystem(
                url=f"http://{settings.api_host}:{settings.api_port}",
                token=asyncio.run(_create_token(settings.database_url)),
                database_url=settings.database_url,
                watch=lambda: _require_alive(processes, [_API, *workers]),
                cpu=lambda: _sum_cpu(stack, processes, workers),
            )


def _start_processes(processes: System) -> list[str]:
    """Start one API process and a worker for each core; return the names of the workers."""
    workers = [f"worker-{number}" for number in range(1, _CORES + 1)]
    processes.start_process(_API, API)
    for worker in workers:
        processes.start_process(worker, WORKERS)
    _print_notice("processes: starting; the first start of a checkout compiles the categorizer")
    processes.wait_until_ready()
    return workers


def _sum_cpu(stack: LocalStack, processes: System, workers: Sequence[str]) -> dict[str, float]:
    """Sum the CPU seconds by kind of process; only servers of the private stack count."""
    children = {
        "api": [processes.get_child(_API)],
        "workers": [processes.get_child(w) for w in workers],
    }
    children |= {name: [stack.get_process(name)] for name in stack.servers}
    return {kind: measure_cpu_seconds(map(_get_pid, some)) for kind, some in children.items()}


def _get_pid(child: Child) -> int:
    return child.process.pid if child.process is not None else 0


def _require_alive(system: System, names: Sequence[str]) -> None:
    for name in names:
        if not system.get_child(name).is_alive:
            raise ServerFailed(f"{name} has ended; see {system.folder / name}.log")


async def _prepare(settings: Settings, first: date, last: date) -> None:
    """Apply migrations, declare queues, and create the months from `first` to `last`."""
    await prepare_system(settings)
    async with translate_errors(), open_connection(settings.database_url) as connection:
        await partitions.ensure_months(connection, first, last)


async def _create_token(url: str) -> str:
    async with await open_pool(url, size=1, name="spendline-client", timeout=10) as pool:
        token = await Tokens(pool).create_token("client", _SCOPES)
    if token is None:
        raise ServerFailed("no token was created")
    return token.text


def record_seconds(times: dict[str, float], name: str, began: float) -> None:
    """Write down the seconds since `began`, of time.monotonic(), under this name."""
    times[name] = round(time.monotonic() - began, 2)


def _find_free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def _print_notice(line: str) -> None:
    sys.stderr.write(f"{line}\n")
