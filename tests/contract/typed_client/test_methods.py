"""Each route has a method, each method its types, and each refusal its error."""

from __future__ import annotations

import asyncio
import datetime as dt
import os
import re
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest

from api.routes import ROUTES
from client import (
    Account,
    AuthenticationError,
    Client,
    Exchange,
    NotFoundError,
    PermissionDeniedError,
)
from pipeline.access.tokens import SCOPES, Tokens
from tests.contract.typed_client.steps import purchase, read_feed, statuses, store

_ROOT = Path(__file__).parents[3]
_EXAMPLE = re.compile(r"```python\n(import asyncio\n.*?)```", re.DOTALL)
_WITHOUT_METHOD = {"GET /openapi.json"}  # for tools that read it themselves
Connect = Callable[..., Awaitable[Client]]


async def test_every_route_of_the_api_has_a_method(
    client: Client, account: Account, tries: list[Exchange]
) -> None:
    # Given
    user = account.user_id
    await store(client, purchase(account))
    (row,) = await read_feed(client, account)
    # When
    await client.get_user(user)
    await client.list_accounts(user)
    await client.create_user_token(user, ["read"])
    await client.get_changes(user)
    await client.get_transaction(user, row.id)
    await client.get_spending(user)
    await client.get_taxonomy()
    await client.is_alive()
    await client.check_readiness()
    await client.get_version()
    await client.erase_user(user)
    # Then
    patterns = {
        f"{route.method} {route.path}": re.sub(r"\{\w+\}", "[^/]+", route.path) for route in ROUTES
    }
    asked = {
        endpoint
        for seen in tries
        for endpoint, pattern in patterns.items()
        if endpoint.startswith(f"{seen.method} ") and re.fullmatch(pattern, seen.path)
    }
    assert patterns.keys() - asked == _WITHOUT_METHOD
    assert all(status in {200, 201, 202, 204} for status in statuses(tries))


async def test_users_and_accounts_are_created_once(client: Client) -> None:
    # Given
    name = uuid4().hex
    user = await client.create_user(name)
    account = await client.create_account(
        user.user_id, "card", "GBP", name="Card", account_type="credit"
    )
    # When
    same_user = await client.create_user(name)
    same_account = await client.create_account(str(user.user_id), "card", "GBP")
    # Then
    assert (same_user, same_account.account_id) == (user, account.account_id)
    assert (user.external_id, user.position) == (name, 0)
    assert (account.name, account.type, account.currency) == ("Card", "credit", "GBP")
    assert await client.get_user(user.user_id) == user
    assert [a.account_id for a in await client.list_accounts(user.user_id)] == [account.account_id]
    assert (await client.create_user()).external_id is None


async def test_a_users_own_token_reads_that_user_only(
    client: Client, connect: Connect, account: Account
) -> None:
    # Given
    other = await client.create_user(uuid4().hex)
    token = await client.create_user_token(
        account.user_id, {"read"}, expires_in=dt.timedelta(minutes=1)
    )
    # When
    app = await connect(token=token.token)
    # Then
    assert token.expires_at > dt.datetime.now(dt.UTC)
    assert (await app.get_feed_page(account.user_id)).transactions == ()
    with pytest.raises(NotFoundError):
        await app.get_feed_page(other.user_id)
    with pytest.raises(PermissionDeniedError) as refusal:
        await app.push([purchase(account)])
    assert (refusal.value.status, refusal.value.title) == (403, "Not allowed")


async def test_an_erased_user_is_not_there(client: Client, account: Account) -> None:
    await client.erase_user(account.user_id)
    with pytest.raises(NotFoundError) as refusal:
        await client.get_user(account.user_id)
    assert refusal.value.request_id


async def test_a_token_that_is_not_valid_is_an_error(connect: Connect) -> None:
    client = await connect(token="not-a-token")
    with pytest.raises(AuthenticationError):
        await client.get_taxonomy()


async def test_the_system_shows_its_state_and_its_categories(base: str, client: Client) -> None:
    assert "FOOD_AND_DRINK_COFFEE" in {entry.code for entry in await client.get_taxonomy()}
    async with Client(base) as stranger:
        assert await stranger.is_alive()
        readiness = await stranger.check_readiness()
        assert readiness.ready
        assert readiness.parts["postgres"] == "ok"
        assert re.fullmatch(r"\d+\.\d+\.\d+", await stranger.get_version())


async def test_the_example_of_the_readme_runs(
    base: str, pool: asyncpg.Pool, tmp_path: Path
) -> None:
    # Given
    example = _EXAMPLE.search((_ROOT / "client" / "README.md").read_text())
    assert example is not None
    script = tmp_path / "example.py"
    script.write_text(example[1])
    token = await Tokens(pool).create_token("example", SCOPES)
    assert token is not None
    # When
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, script, base, token.text],
        env=os.environ | {"PYTHONPATH": str(_ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    # Then
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        "2026-11-20 -4.50 GBP FOOD_AND_DRINK_GROCERIES",
        "spent 4.50",
    ]
