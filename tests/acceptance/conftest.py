"""A whole system for each test: a database, queues and keys of its own, and real processes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import asyncpg
import pika
import pytest

from pipeline.database import open_pool
from pipeline.settings import Settings
from pipeline.stack import ServerUrls
from pipeline.tokens import SCOPES, Tokens
from pipeline.topology import Queues
from tests.acceptance.flow import Flow
from tests.acceptance.workers import start_worker
from workers.cli.migrate import bring_up
from workers.processes import System


@pytest.fixture
def own(
    settings: Settings, servers: ServerUrls, make_database: Callable[[], str]
) -> Iterator[Settings]:
    """Settings of a migrated system that only this test uses."""
    prefix = f"test-{uuid4().hex[:8]}"
    ours = replace(settings, database_url=make_database(), queue_prefix=prefix, key_prefix=prefix)
    asyncio.run(bring_up(ours))
    yield ours
    with closing(pika.BlockingConnection(pika.URLParameters(servers.broker))) as connection:
        for name in Queues(prefix).all:
            connection.channel().queue_delete(name)


@pytest.fixture
def system(own: Settings, tmp_path: Path) -> Iterator[System]:
    with System(own, tmp_path) as processes:
        yield processes


@pytest.fixture
def serving(own: Settings, tmp_path: Path) -> Iterator[System]:
    """A system of one API process and one worker, which is ready, as `make up` leaves it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with System(replace(own, api_port=port), tmp_path) as system:
        system.start("api", "api")
        start_worker(system, "worker")
        system.wait_until_ready()
        yield system


@pytest.fixture
def caller(serving: System) -> dict[str, str]:
    """Environment variables of a client of the serving system: its address and a token."""

    async def create_token() -> str:
        url = serving.settings.database_url
        async with await open_pool(url, size=1, name="test", timeout=10) as pool:
            token = await Tokens(pool).create("client", SCOPES, expires_in=timedelta(hours=1))
        return token.text

    address = f"http://{serving.settings.api_host}:{serving.settings.api_port}"
    return {"API": address, "TOKEN": asyncio.run(create_token())}


@pytest.fixture
async def pool(own: Settings) -> AsyncIterator[asyncpg.Pool]:
    async with await open_pool(own.database_url, size=6, name="test", timeout=30) as opened:
        yield opened


@pytest.fixture
async def flow(own: Settings, pool: asyncpg.Pool) -> AsyncIterator[Flow]:
    async with Flow(own, pool) as opened:
        yield opened
