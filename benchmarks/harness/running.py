"""A whole system of its own, started for one benchmark."""

from __future__ import annotations

import asyncio
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg

from benchmarks.harness.machine import read_server_versions
from pipeline.database import partitions
from pipeline.settings import Settings
from workers.local.child import Child
from workers.local.stack import LocalStack, ServerUrls, discover_servers
from workers.local.supervisor import System
from workers.local.usage import measure_cpu_seconds
from workers.preparation import prepare_system

FIRST, LAST = date(2014, 1, 1), date(2018, 3, 1)  # the months of the real purchases


@contextmanager
def open_servers() -> Iterator[tuple[LocalStack, ServerUrls]]:
    """Servers of the settings, else a private stack; said on stderr."""
    with tempfile.TemporaryDirectory(prefix="spendline-bench-") as folder:
        stack = discover_servers(Settings.from_environment(), Path(folder), say=_say)
        with stack as urls:
            yield stack, urls


@dataclass(slots=True)
class Running:
    """A started system; `settings` tell where it is, `versions` what its servers are."""

    settings: Settings
    system: System
    stack: LocalStack
    apis: list[str]
    workers: list[str]
    versions: dict[str, str]

    def read_cpu(self) -> dict[str, float]:
        """CPU seconds so far, by kind of process; servers only when they are our own."""
        ours = {"api": self.apis, "workers": self.workers}
        spent = {
            kind: measure_cpu_seconds(find_pid(self.system.get_child(name)) for name in names)
            for kind, names in ours.items()
        }
        return spent | {
            name: measure_cpu_seconds([find_pid(self.stack.get_process(name))])
            for name in self.stack.servers
        }


@contextmanager
def start_system(
    *, apis: int = 1, workers: int = 2, old_months: bool = True, **changed: Any
) -> Iterator[Running]:
    """A fresh database, queues and keys, with that many processes; gone afterwards.

    With the months of the real purchases unless `old_months` is False: then those of a new system.
    """
    with open_servers() as (stack, urls), tempfile.TemporaryDirectory() as folder:
        settings = _settings(urls, changed)
        asyncio.run(_prepare(settings, urls.database, old_months=old_months))
        try:
            with System(settings, Path(folder)) as system:
                api_names = [f"api-{n}" for n in range(apis)]
                worker_names = [f"worker-{n}" for n in range(workers)]
                for name in api_names:
                    system.start_process(name, "api")
                for name in worker_names:
                    system.start_process(name, "workers")
                system.wait_until_ready()
                versions = asyncio.run(read_server_versions(urls))
                yield Running(settings, system, stack, api_names, worker_names, versions)
        finally:
            asyncio.run(_drop(settings, urls.database))


def _settings(urls: ServerUrls, changed: dict[str, Any]) -> Settings:
    name = f"spendline_bench_{uuid4().hex[:8]}"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return replace(
        Settings.from_environment(),
        database_url=urls.database.rpartition("/")[0] + "/" + name,
        broker_url=urls.broker,
        redis_url=urls.redis,
        queue_prefix=name,
        key_prefix=name,
        api_port=port,
        log_level="warning",
        **changed,
    )


async def vacuum_database(settings: Settings) -> None:
    """Do what earlier loads have left to autovacuum, which would do it during the next one."""
    connection = await asyncpg.connect(settings.database_url)
    await connection.execute("VACUUM (ANALYZE)")
    await connection.close()


async def _prepare(settings: Settings, server: str, *, old_months: bool) -> None:
    connection = await asyncpg.connect(server)
    await connection.execute(f"CREATE DATABASE {settings.queue_prefix}")
    await connection.close()
    await prepare_system(settings)
    if old_months:
        connection = await asyncpg.connect(settings.database_url)
        await partitions.ensure_months(connection, FIRST, LAST)
        await connection.close()


async def _drop(settings: Settings, server: str) -> None:
    connection = await asyncpg.connect(server)
    await connection.execute(f"DROP DATABASE {settings.queue_prefix} WITH (FORCE)")
    await connection.close()


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def find_pid(child: Child) -> int:
    """Of a child that runs."""
    if child.process is None:
        raise ProcessLookupError(child.name)
    return child.process.pid
