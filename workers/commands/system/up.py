"""Start the whole system on this machine and serve until Ctrl-C."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import click

from pipeline.access.tokens import SCOPES, Tokens
from pipeline.database.pool import open_pool
from pipeline.errors import ServerFailed
from pipeline.observe import logs
from pipeline.settings import Settings
from workers.local.stack import LocalStack, discover_servers
from workers.local.supervisor import API, WORKERS, System
from workers.preparation import prepare_system

_CORES = len(os.sched_getaffinity(0))
_TOKEN_LIFE = timedelta(days=30)


@click.command()
@click.option(
    "--api-processes",
    default=1,
    show_default=True,
    type=click.IntRange(1),
    help="The number of API processes.",
)
@click.option(
    "--worker-processes",
    default=_CORES,
    show_default="one for each core",
    type=click.IntRange(1),
    help="The number of worker processes.",
)
@click.option(
    "--replicas",
    default=0,
    show_default=True,
    type=click.IntRange(0),
    help="The number of read replicas of the private PostgreSQL.",
)
@click.option(
    "--port", type=int, help="The port of the API.  [default: SPENDLINE_API_PORT or 8080]"
)  # fmt: skip
def command(api_processes: int, worker_processes: int, replicas: int, port: int | None) -> None:
    """Start the whole system on this machine and serve until Ctrl-C.

    The system uses the servers of the settings, and a private stack where the settings name none.
    A process that ends by itself is started again. Nothing runs on after the command has ended.
    """
    _set_signal_handler(_interrupt)  # explicitly: a shell makes its background jobs ignore SIGINT
    with ExitStack() as everything:
        try:
            _serve(everything, api_processes, worker_processes, replicas, port)
        except KeyboardInterrupt:
            _print("stopping")
            _set_signal_handler(signal.SIG_IGN)  # a second one must not cut the end short


def _serve(everything: ExitStack, apis: int, workers: int, replicas: int, port: int | None) -> None:
    settings = Settings.from_environment()
    settings = replace(settings, api_port=port or settings.api_port)
    folder = Path(settings.data_folder)
    stack = discover_servers(settings, folder / "stack", say=_print)
    urls = everything.enter_context(stack)
    settings = replace(
        settings, database_url=urls.database, broker_url=urls.broker, redis_url=urls.redis
    )
    if replicas:
        urls_of_replicas = [stack.start_replica() for _ in range(replicas)]
        settings = replace(settings, replica_urls=",".join(urls_of_replicas))
    _require_free(settings.api_host, settings.api_port)
    asyncio.run(prepare_system(settings))
    system = everything.enter_context(System(settings, folder / "system"))
    for number in range(1, apis + 1):
        system.start_process(f"api-{number}", API)
    for number in range(1, workers + 1):
        system.start_process(f"worker-{number}", WORKERS)
    system.wait_until_ready()
    _print_welcome(settings)
    _watch(stack, system)


def _print_welcome(settings: Settings) -> None:
    token = asyncio.run(_create_token(settings.database_url))
    _print(f"up: http://{settings.api_host}:{settings.api_port} until Ctrl-C")
    _print(f"token (all scopes, {_TOKEN_LIFE.days} days): {token}")


async def _create_token(url: str) -> str:
    async with await open_pool(url, size=1, name="spendline-up", timeout=10) as pool:
        created = await Tokens(pool).create_token("local", SCOPES, expires_in=_TOKEN_LIFE)
    if created is None:
        raise ServerFailed("no token was created")
    return created.text


def _watch(stack: LocalStack, system: System) -> None:
    while True:
        for name in stack.restart_ended() + system.restart_ended():
            _print(f"{name} had ended and was started again")
        for name, line in system.read_new_lines():
            if not logs.is_routine(line):
                _print(f"{name} | {line}")
        time.sleep(0.2)


def _require_free(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            raise ServerFailed(
                f"{host}:{port} is taken; is the system up already? "
                "--port or SPENDLINE_API_PORT names another"
            ) from None


def _print(line: str) -> None:
    click.echo(line)
    sys.stdout.flush()


def _set_signal_handler(handler: Callable[..., None] | signal.Handlers) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handler)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
