"""One running system for all contract tests: an API and a worker as real processes."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from uuid import UUID, uuid4

import aiohttp
import asyncpg
import pytest

from pipeline.access.tokens import SCOPES, Tokens
from pipeline.database.pool import open_pool
from pipeline.settings import Settings
from tests.support.raw_client import RawClient
from workers.local.supervisor import System
from workers.preparation import prepare_system


@pytest.fixture(scope="session")
def own(settings: Settings, make_database: Callable[[], str]) -> Settings:
    """Settings of a migrated system that only the contract tests use."""
    prefix = f"{settings.queue_prefix}-contract"
    with socket.socket() as probe:
        probe.bind((settings.api_host, 0))
        port = probe.getsockname()[1]
    ours = replace(
        settings,
        database_url=make_database(),
        queue_prefix=prefix,
        key_prefix=prefix,
        api_port=port,
        chunk_rows=50,
        unconfirmed_chunks=2,
    )
    asyncio.run(prepare_system(ours))
    return ours


@pytest.fixture(scope="session")
def system(own: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    with System(own, tmp_path_factory.mktemp("contract")) as processes:
        processes.start_process("api", "api")
        processes.start_process("worker", "tests.support.doubles")
        processes.wait_until_ready()
        yield processes


@pytest.fixture
async def pool(own: Settings) -> AsyncIterator[asyncpg.Pool]:
    async with await open_pool(own.database_url, size=2, name="test", timeout=30) as opened:
        yield opened


@pytest.fixture
def base(own: Settings, system: System) -> str:
    return f"http://{own.api_host}:{own.api_port}"


@pytest.fixture
async def http(base: str) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(base, auto_decompress=False) as session:
        yield session


@pytest.fixture
def client_of(
    http: aiohttp.ClientSession, pool: asyncpg.Pool
) -> Callable[..., asyncio.Future[RawClient]]:
    """Makes a client with a token of the given scopes, bound to a user or not."""

    async def make(*scopes: str, user_id: str | None = None) -> RawClient:
        bound = UUID(user_id) if user_id else None
        made = await Tokens(pool).create_token("test", scopes or SCOPES, user_id=bound)
        assert made is not None
        return RawClient(http, made.text, made.token_id)

    return make  # type: ignore[return-value]


@pytest.fixture
async def client(client_of: Callable[..., asyncio.Future[RawClient]]) -> RawClient:
    """A client that may do everything."""
    return await client_of()


@pytest.fixture
async def account(client: RawClient) -> dict[str, str]:
    """A fresh user's account."""
    return await client.new_account(f"user-{uuid4().hex}")
