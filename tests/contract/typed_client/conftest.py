"""Typed clients of the running system, and the account of a fresh user."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from uuid import uuid4

import asyncpg
import pytest

from client import Account, Client, Exchange
from pipeline.access.tokens import SCOPES, Tokens

Connect = Callable[..., Awaitable[Client]]


@pytest.fixture
async def tries() -> list[Exchange]:
    """What the clients of a test have exchanged with the API."""
    return []


@pytest.fixture
async def connect(base: str, pool: asyncpg.Pool, tries: list[Exchange]) -> AsyncIterator[Connect]:
    """Opens clients with the given token, else with a new one of the given scopes."""
    opened: list[Client] = []

    async def open_client(*scopes: str, token: str | None = None) -> Client:
        if token is None:
            created = await Tokens(pool).create_token("test", scopes or SCOPES)
            assert created is not None
            token = created.text
        opened.append(await Client(base, token, observe=tries.append).__aenter__())
        return opened[-1]

    yield open_client
    for client in opened:
        await client.__aexit__()


@pytest.fixture
async def client(connect: Connect) -> Client:
    """A client that may do everything."""
    return await connect()


@pytest.fixture
async def account(client: Client) -> Account:
    """A fresh user's account."""
    user = await client.create_user(uuid4().hex)
    return await client.create_account(user.user_id, "main", "GBP")
