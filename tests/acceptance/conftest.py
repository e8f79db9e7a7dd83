"""A whole system for each test: a database, queues and keys of its own, and real processes."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import asyncpg
import pika
import pytest

from pipeline.access.tokens import SCOPES, Tokens
from pipeline.database.pool import open_pool
from pipeline.queue.topology import Queues
from pipeline.settings import Settings
from tests.acceptance.flow import Flow
from tests.support.programs import program
from workers.local.stack.server import find_free_ports
from workers.local.supervisor import API, WORKERS, System
from workers.preparation import prepare_system


@contextmanager
def migrate_system(settings: Settings, database_url: str) -> Iterator[Settings]:
    """Settings of a migrated system in that empty database, with queues and keys of its own."""
    prefix = f"test-{uuid4().hex[:8]}"
    ours = replace(settings, database_url=database_url, queue_prefix=prefix, key_prefix=prefix)
    asyncio.run(prepare_system(ours))
    yield ours
    with closing(pika.BlockingConnection(pika.URLParameters(settings.broker_url))) as connection:
        for name in Queues(prefix).all:
            connection.channel().queue_delete(name)


@pytest.fixture
def own(settings: Settings, make_database: Callable[[], str]) -> Iterator[Settings]:
    """Settings of a migrated system that only this test uses."""
    with migrate_system(settings, make_database()) as ours:
        yield ours


@pytest.fixture(scope="module")
def reader(
    settings: Settings, make_database: Callable[[], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, str]]:
    """The environment of somebody who follows the pages: a system as `make up` leaves it, and a token."""
    program("curl")
    folder = tmp_path_factory.mktemp("system")
    listening = replace(settings, api_port=find_free_ports(1)[0])
    with migrate_system(listening, make_database()) as ours, System(ours, folder) as processes:
        processes.start_process("api", API)
        processes.start_process("worker", WORKERS)
        processes.wait_until_ready()
        yield ours.make_child_environment() | {
            "API": f"http://{ours.api_host}:{ours.api_port}",
            "TOKEN": asyncio.run(_create_token(ours.database_url)),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }


async def _create_token(url: str) -> str:
    async with await open_pool(url, size=1, name="test", timeout=10) as pool:
        token = await Tokens(pool).create_token("reader", SCOPES, expires_in=timedelta(hours=1))
    assert token is not None
    return token.text


@pytest.fixture
def system(own: Settings, tmp_path: Path) -> Iterator[System]:
    with System(own, tmp_path) as processes:
        yield processes


@pytest.fixture
async def pool(own: Settings) -> AsyncIterator[asyncpg.Pool]:
    async with await open_pool(own.database_url, size=6, name="test", timeout=30) as opened:
        yield opened


@pytest.fixture
async def flow(own: Settings, pool: asyncpg.Pool) -> AsyncIterator[Flow]:
    async with Flow(own, pool) as opened:
        yield opened
