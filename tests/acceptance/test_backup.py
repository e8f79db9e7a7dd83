"""A system that lost its database and got an old one back, seen by clients that knew more."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
from click.testing import CliRunner, Result

from pipeline.access.tokens import SCOPES, NewToken, Tokens
from pipeline.database.pool import open_pool
from pipeline.settings import Settings
from tests.support.raw_client import RawClient, purchase
from workers.commands import main
from workers.local.supervisor import System


async def spendline(settings: Settings, *arguments: str) -> Result:
    run = CliRunner().invoke
    return await asyncio.to_thread(run, main, arguments, env=settings.to_environment())


@pytest.fixture
def serving(own: Settings) -> Settings:
    with socket.socket() as probe:
        probe.bind((own.api_host, 0))
        return replace(own, api_port=probe.getsockname()[1])


@asynccontextmanager
async def running(settings: Settings, folder: Path) -> AsyncIterator[aiohttp.ClientSession]:
    """An API and a worker, and a way to talk to them."""
    with System(settings, folder) as system:
        system.start_process("api", "api")
        system.start_process("worker", "tests.support.doubles")
        system.wait_until_ready()
        async with aiohttp.ClientSession(
            f"http://{settings.api_host}:{settings.api_port}", auto_decompress=False
        ) as http:
            yield http


async def new_token(settings: Settings) -> NewToken:
    async with await open_pool(settings.database_url, size=1, name="test", timeout=10) as pool:
        made = await Tokens(pool).create_token("test", SCOPES)
    assert made is not None
    return made


class Device:
    """What one app knows of a feed by its sync alone; its cursor survives everything."""

    def __init__(self, user: str) -> None:
        self._path = f"/v1/users/{user}/transactions/sync"
        self._cursor: dict[str, str] = {}
        self.rows: dict[str, Any] = {}
        self.resets = 0

    async def read(self, client: RawClient, pages: int = 100) -> None:
        """Read on, at most this many pages of four; what is told must fit what is known."""
        more = True
        while more and pages:
            page = (await client.get(self._path, limit=4, **self._cursor)).body
            self._apply(page)
            self._cursor, more = {"cursor": page["next_cursor"]}, page["has_more"]
            pages -= 1

    def _apply(self, page: dict[str, Any]) -> None:
        if page["reset"]:
            self.rows.clear()
            self.resets += 1
        added, modified, removed = (
            {item["id"]: item for item in page[kind]} for kind in ("added", "modified", "removed")
        )
        assert self.rows.keys().isdisjoint(
            key for key, row in added.items() if self.rows.get(key) == row
        ), "told twice"
        assert modified.keys() <= self.rows.keys(), "told of something unknown"
        self.rows |= added | modified
        for key in removed:  # a row that came and went between two pages is unknown
            self.rows.pop(key, None)


async def feed(client: RawClient, user: str) -> dict[str, Any]:
    page = (await client.get(f"/v1/users/{user}/transactions", limit=1000)).body
    return {row["id"]: row for row in page["transactions"]}


async def test_clients_that_knew_more_than_the_backup_end_with_the_feed(
    serving: Settings, tmp_path: Path
) -> None:
    # Given a backup, taken while one device has read everything and another is on its way
    token, file = await new_token(serving), tmp_path / "system.backup"
    async with running(serving, tmp_path / "before") as http:
        client = RawClient(http, token.text, token.token_id)
        account = await client.new_account("ann")
        user = account["user_id"]
        ahead, behind, slow, astray = (Device(user) for _ in range(4))
        old = [purchase(account, transaction_id=f"old{i}") for i in range(10)]
        await client.push(*old)
        await behind.read(client)
        await slow.read(client, pages=1)
        made = await spendline(serving, "backup", "--to", str(file), "--json")
        assert made.exit_code == 0, made.stderr
        # And changes afterwards, that a third device has seen, and a fourth a part of
        changes = [
            *[purchase(account, transaction_id=f"new{i}", amount="-1.00") for i in range(5)],
            old[0] | {"amount": "-9.99"},
            old[1] | {"date": "2026-10-02"},
            purchase(account, transaction_id="brief"),
        ]
        gone = [{"account_id": account["account_id"], "transaction_id": "old2"}]
        lost = await client.push(*changes, removed=gone)
        await ahead.read(client)
        await astray.read(client, pages=1)
        month = {"path": f"/v1/users/{user}/insights/spending", "month": "2026-11"}
        known = await client.get(**month)
        assert await feed(client, user) == ahead.rows
    # When the database is lost and restored
    await drop(serving.database_url)
    done = await spendline(serving, "restore", str(file), "--json")
    assert done.exit_code == 0, done.stderr
    async with running(serving, tmp_path / "after") as http:
        client = RawClient(http, token.text, token.token_id)
        # Then the ingest that it undid says so, and the one that it kept is stored
        receipt = await client.get(f"/v1/ingests/{lost.body['ingest_id']}")
        assert (receipt.body["status"], "again" in receipt.body["reason"]) == ("failed", True)
        # And what a client keeps is not taken for what is true now
        held = {"If-None-Match": known.headers["ETag"]}
        assert (await client.get(**month, headers=held)).status == 200
        assert known.body["position"] < (await client.get(f"/v1/users/{user}")).body["position"]
        # And who knew more begins anew
        await ahead.read(client)
        assert (ahead.resets, ahead.rows) == (1, await feed(client, user))
        # When the bank pushes again what was lost, and takes one of them back
        await client.push(*changes[:-1], removed=gone)
        # Then all end with the feed; none of those that knew no more than the backup is told twice
        truth = await feed(client, user)
        for device, resets in ((ahead, 1), (behind, 0), (slow, 0), (astray, 1)):
            await device.read(client)
            assert (device.resets, device.rows) == (resets, truth)
        assert len(truth) == 14
        spending = (await client.get(**month)).body
        assert_sums(spending, truth)


def assert_sums(spending: dict[str, Any], truth: dict[str, Any]) -> None:
    total = spending["currency_totals"]["GBP"]
    november = [row for row in truth.values() if row["date"].startswith("2026-11")]
    assert Decimal(total["spending"]) == -sum(Decimal(row["amount"]) for row in november)


async def drop(url: str) -> None:
    base, _, name = url.rpartition("/")
    connection = await asyncpg.connect(f"{base}/postgres")
    try:
        await connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
    finally:
        await connection.close()
