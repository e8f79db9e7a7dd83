"""Tell what is here, what is missing, and the exact fix."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import NamedTuple

import asyncpg
import click
import msgspec
import redis.asyncio
from aio_pika.exceptions import AMQPError
from redis.exceptions import RedisError
from rich import box
from rich.console import Console
from rich.table import Table

from pipeline.database.migrate import migrations
from pipeline.database.pool import open_connection
from pipeline.database.programs import OLDEST_POSTGRES
from pipeline.errors import StoreUnavailable
from pipeline.queue.connection import open_connection as open_broker_connection
from pipeline.settings import Settings, redacted
from workers.local.stack.binaries import PACKAGES, SERVERS, find

_SECONDS = 5.0
_LEAST_SPACE = 2 * 1024**3
_LEAST_FILES = 1024
_SETTING = {
    "postgres": "DATABASE_URL",
    "replica": "REPLICA_URLS",
    "rabbitmq": "BROKER_URL",
    "redis": "REDIS_URL",
}
_STANDBY = """
SELECT pg_is_in_recovery(),
       pg_wal_lsn_diff(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())"""
_AWAY = (
    OSError,
    TimeoutError,
    StoreUnavailable,
    asyncpg.PostgresError,
    AMQPError,
    RedisError,
    ValueError,
)


class Finding(NamedTuple):
    """One line of the table; `fix` is a command or a setting, empty when all is well."""

    what: str
    state: str
    fix: str = ""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array.")
def command(*, as_json: bool) -> None:
    """Exit status 1 when something is missing."""
    settings = Settings.from_environment()
    findings = [*_machine(settings), *asyncio.run(_servers(settings))]
    if as_json:
        click.echo(msgspec.json.encode([f._asdict() for f in findings]).decode())
    else:
        _print(findings)
    sys.exit(any(finding.fix for finding in findings))


def _print(findings: list[Finding]) -> None:
    table = Table(box=box.SIMPLE)
    for heading in ("", "what", "state", "fix"):
        table.add_column(heading, overflow="fold")
    for finding in findings:
        table.add_row("missing" if finding.fix else "ok", *finding)
    Console().print(table)


def _machine(settings: Settings) -> Iterator[Finding]:
    yield Finding("Python", ".".join(map(str, sys.version_info[:3])))
    yield _packages()
    yield _program("setpriv", "util-linux")
    yield _data_folder(Path(settings.data_folder).absolute())
    yield _open_files()
    yield _port(settings.api_host, settings.api_port)


def _packages() -> Finding:
    required = metadata.requires("spendline") or ()
    needed = [line.partition("~=")[0] for line in required if "extra ==" not in line]
    absent = [name for name in needed if not _installed(name)]
    state = f"{', '.join(absent)} not installed" if absent else f"{len(needed)} installed"
    return Finding("Python packages", state, "make setup" if absent else "")


def _installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _program(name: str, package: str) -> Finding:
    found = shutil.which(name)
    return Finding(name, found or "not found", "" if found else f"apt-get install {package}")


def _data_folder(folder: Path) -> Finding:
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not os.access(existing, os.W_OK):
        return Finding("data folder", f"{existing} is not writable", "SPENDLINE_DATA_FOLDER=...")
    free = shutil.disk_usage(existing).free
    fix = "" if free >= _LEAST_SPACE else "free 2 GiB, or set SPENDLINE_DATA_FOLDER"
    return Finding("data folder", f"{folder}, {free / 1024**3:.0f} GiB free", fix)


def _open_files() -> Finding:
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    fix = "" if allowed >= _LEAST_FILES else f"ulimit -n {_LEAST_FILES}"
    return Finding("open files", str(allowed), fix)


def _port(host: str, port: int) -> Finding:
    with socket.socket() as probe:
        taken = probe.connect_ex((host, port)) == 0
    return Finding("API port", f"{host}:{port} {'answers: a system is up' if taken else 'is free'}")


async def _servers(settings: Settings) -> list[Finding]:
    given = (settings.database_url, settings.broker_url, settings.redis_url)
    checks = zip(SERVERS, given, (_postgres, _rabbitmq, _redis), strict=True)
    return [
        await _answer(server, url, check) if url else _own(server) for server, url, check in checks
    ] + [await _answer("replica", url, _replica) for url in settings.replicas]


def _own(server: str) -> Finding:
    """Without a URL the programs are needed, for a private stack."""
    program = find(server)
    if program is None:
        sudo = "" if os.geteuid() == 0 else "sudo "
        package = PACKAGES[server]
        return Finding(server, "no URL, no program", f"{sudo}apt-get install {package}")
    return Finding(server, f"for a private stack: {program.folder} {program.version}".strip())


async def _answer(server: str, url: str, check: Callable[[str], Awaitable[Finding]]) -> Finding:
    try:
        async with asyncio.timeout(_SECONDS):
            return await check(url)
    except _AWAY as error:
        variable = f"SPENDLINE_{_SETTING[server]}"
        return Finding(
            server,
            f"{redacted(url)}: {type(error.__cause__ or error).__name__}",
            f"start it or unset {variable}",
        )


async def _postgres(url: str) -> Finding:
    async with open_connection(url) as connection:
        version = connection.get_server_version()
        journal = await connection.fetchval("SELECT to_regclass('migrations') IS NOT NULL")
        names = await connection.fetch("SELECT name FROM migrations") if journal else []
    state = f"{redacted(url)}: {version.major}"
    if version.major < OLDEST_POSTGRES:
        return Finding("postgres", state, f"PostgreSQL {OLDEST_POSTGRES} or newer")
    behind = len(migrations()) - len(names)
    return Finding(
        "postgres", f"{state}, {behind} migrations behind", "spendline migrate" if behind else ""
    )


async def _replica(url: str) -> Finding:
    async with open_connection(url) as connection:
        standby, behind = await connection.fetchrow(_STANDBY)
    if not standby:
        return Finding("replica", f"{redacted(url)}: is no standby", "SPENDLINE_REPLICA_URLS=...")
    return Finding("replica", f"{redacted(url)}: {behind} bytes of log not replayed")


async def _rabbitmq(url: str) -> Finding:
    async with open_broker_connection(url, _SECONDS):
        return Finding("rabbitmq", f"{redacted(url)}: answers")


async def _redis(url: str) -> Finding:
    async with redis.asyncio.Redis.from_url(url) as client:
        version = (await client.info("server"))["redis_version"]
    return Finding("redis", f"{redacted(url)}: {version}")
