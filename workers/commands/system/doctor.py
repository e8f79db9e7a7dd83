"""Print what is here, what is missing, and how to fix it."""

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
import redis.asyncio
from aio_pika.exceptions import AMQPError
from redis.exceptions import RedisError
from rich import box
from rich.console import Console
from rich.table import Table

from client import Client
from pipeline.database.migrate import load_migrations
from pipeline.database.pool import open_connection
from pipeline.database.programs import OLDEST_POSTGRES
from pipeline.database.queries import load_queries
from pipeline.errors import StoreUnavailable
from pipeline.queue.connection import open_connection as open_broker_connection
from pipeline.settings import Settings, redact_url
from workers.commands.output import json_option, print_result
from workers.local.stack.binaries import PACKAGES, SERVERS, find_programs

_SECONDS = 5.0
_LEAST_SPACE = 2 * 1024**3
_LEAST_FILES = 1024
_SETTING = {
    "postgres": "DATABASE_URL",
    "replica": "REPLICA_URLS",
    "rabbitmq": "BROKER_URL",
    "redis": "REDIS_URL",
}
_SQL = load_queries("workers.commands.system", "doctor")
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
    """One line of the table; `fix` is a command or a setting, and empty when nothing is missing."""

    what: str
    state: str
    fix: str = ""


@click.command()
@json_option
def command(*, as_json: bool) -> None:
    """Check this machine and the servers, and print what is missing and how to fix it.

    The exit status is 1 when something is missing.
    """
    settings = Settings.from_environment()
    findings = [*_check_machine(settings), *asyncio.run(_check_services(settings))]
    print_result(
        [finding._asdict() for finding in findings],
        lambda _: _print_findings(findings),
        as_json=as_json,
    )
    sys.exit(any(finding.fix for finding in findings))


def _print_findings(findings: list[Finding]) -> None:
    table = Table(box=box.SIMPLE)
    for heading in ("", "what", "state", "fix"):
        table.add_column(heading, overflow="fold")
    for finding in findings:
        table.add_row("missing" if finding.fix else "ok", *finding)
    Console().print(table)


def _check_machine(settings: Settings) -> Iterator[Finding]:
    yield Finding("Python", ".".join(map(str, sys.version_info[:3])))
    yield _check_packages()
    yield _check_program("setpriv", "util-linux")
    yield _check_data_folder(Path(settings.data_folder).absolute())
    yield _check_open_files()


def _check_packages() -> Finding:
    required = metadata.requires("spendline") or ()
    needed = [line.partition("~=")[0] for line in required if "extra ==" not in line]
    absent = [name for name in needed if not _is_installed(name)]
    state = f"{', '.join(absent)} not installed" if absent else f"{len(needed)} installed"
    return Finding("Python packages", state, "make setup" if absent else "")


def _is_installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def _check_program(name: str, package: str) -> Finding:
    path = shutil.which(name)
    return Finding(name, path or "not found", "" if path else f"apt-get install {package}")


def _check_data_folder(folder: Path) -> Finding:
    existing = next(parent for parent in (folder, *folder.parents) if parent.exists())
    if not os.access(existing, os.W_OK):
        return Finding("data folder", f"{existing} is not writable", "SPENDLINE_DATA_FOLDER=...")
    free = shutil.disk_usage(existing).free
    fix = "" if free >= _LEAST_SPACE else "free 2 GiB, or set SPENDLINE_DATA_FOLDER"
    return Finding("data folder", f"{folder}, {free / 1024**3:.0f} GiB free", fix)


def _check_open_files() -> Finding:
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    fix = "" if allowed >= _LEAST_FILES else f"ulimit -n {_LEAST_FILES}"
    return Finding("open files", str(allowed), fix)


async def _check_services(settings: Settings) -> list[Finding]:
    urls = (settings.database_url, settings.broker_url, settings.redis_url)
    checks = zip(SERVERS, urls, (_check_postgres, _check_rabbitmq, _check_redis), strict=True)
    return [
        await _check_api(settings),
        *[
            await _check_server(server, url, check) if url else _check_private_server(server)
            for server, url, check in checks
        ],
        *[await _check_server("replica", url, _check_replica) for url in settings.replicas],
    ]


async def _check_api(settings: Settings) -> Finding:
    """Tell a running API from a free port, and from a port that another program holds."""
    host, port = settings.api_host, settings.api_port
    async with Client(f"http://{host}:{port}", timeout=_SECONDS) as client:
        if await client.is_alive():
            return Finding("API port", f"{host}:{port} answers: a system is up")
    with socket.socket() as probe:
        if probe.connect_ex((host, port)):
            return Finding("API port", f"{host}:{port} is free")
    return Finding("API port", f"another program holds {host}:{port}", "SPENDLINE_API_PORT=...")


def _check_private_server(server: str) -> Finding:
    """Check that a server without a URL has its programs on this machine."""
    program = find_programs(server)
    if program is None:
        sudo = "" if os.geteuid() == 0 else "sudo "
        package = PACKAGES[server]
        return Finding(server, "no URL, no program", f"{sudo}apt-get install {package}")
    return Finding(server, f"for a private stack: {program.folder} {program.version}".strip())


async def _check_server(
    server: str, url: str, check: Callable[[str], Awaitable[Finding]]
) -> Finding:
    try:
        async with asyncio.timeout(_SECONDS):
            return await check(url)
    except _AWAY as error:
        variable = f"SPENDLINE_{_SETTING[server]}"
        return Finding(
            server,
            f"{redact_url(url)}: {type(error.__cause__ or error).__name__}",
            f"start it or unset {variable}",
        )


async def _check_postgres(url: str) -> Finding:
    async with open_connection(url) as connection:
        version = connection.get_server_version()
        journal = await connection.fetchval(_SQL["has_journal"])
        names = await connection.fetch(_SQL["applied_migrations"]) if journal else []
    state = f"{redact_url(url)}: {version.major}"
    if version.major < OLDEST_POSTGRES:
        return Finding("postgres", state, f"PostgreSQL {OLDEST_POSTGRES} or newer")
    behind = len(load_migrations()) - len(names)
    return Finding(
        "postgres", f"{state}, {behind} migrations behind", "spendline migrate" if behind else ""
    )


async def _check_replica(url: str) -> Finding:
    async with open_connection(url) as connection:
        standby, behind = await connection.fetchrow(_SQL["replay_state"])
    if not standby:
        return Finding("replica", f"{redact_url(url)}: is no standby", "SPENDLINE_REPLICA_URLS=...")
    return Finding("replica", f"{redact_url(url)}: {behind} bytes of log not replayed")


async def _check_rabbitmq(url: str) -> Finding:
    async with open_broker_connection(url, _SECONDS):
        return Finding("rabbitmq", f"{redact_url(url)}: answers")


async def _check_redis(url: str) -> Finding:
    async with redis.asyncio.Redis.from_url(url) as client:
        version = (await client.info("server"))["redis_version"]
    return Finding("redis", f"{redact_url(url)}: {version}")
