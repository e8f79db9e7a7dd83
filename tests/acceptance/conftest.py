"""A whole system for each test: a database, queues and keys of its own, and real processes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import asyncpg
import pika
import pytest

from pipeline.database.pool import open_pool
from pipeline.queue.topology import Queues
from pipeline.settings import Settings
from tests.acceptance.flow import Flow
from workers.commands.data.migrate import bring_up
from workers.local.stack import ServerUrls
from workers.local.supervisor import System


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
async def pool(own: Settings) -> AsyncIterator[asyncpg.Pool]:
    async with await open_pool(own.database_url, size=6, name="test", timeout=30) as opened:
        yield opened


@pytest.fixture
async def flow(own: Settings, pool: asyncpg.Pool) -> AsyncIterator[Flow]:
    async with Flow(own, pool) as opened:
        yield opened
