"""A whole system of its own, started for one benchmark, and a client that speaks HTTP to it."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import asyncpg

from benchmarks.harness.machine import server_versions
from benchmarks.harness.workload import Purchase
from pipeline.access.tokens import SCOPES, Tokens
from pipeline.database import partitions
from pipeline.database.pool import open_pool
from pipeline.settings import Settings
from workers.local.child import Child
from workers.local.stack import LocalStack, ServerUrls, discover
from workers.local.supervisor import System
from workers.local.usage import cpu_seconds
from workers.preparation import bring_up

FIRST, LAST = date(2014, 1, 1), date(2018, 3, 1)  # the months of the real purchases


@contextmanager
def servers() -> Iterator[tuple[LocalStack, ServerUrls]]:
    """Servers of the settings, else a private stack; said on stderr."""
    with tempfile.TemporaryDirectory(prefix="spendline-bench-") as folder:
        stack = discover(Settings.from_environment(), Path(folder), say=_say)
        with stack as urls:
            yield stack, urls


@dataclass(slots=True)
class Running:
    """A started system; `settings` tell where it is, `versions` what its servers are."""

    settings: Settings
    system: System
    stack: LocalStack
    apis: list[str]
    workers: list[str]
    versions: dict[str, str]

    def cpu(self) -> dict[str, float]:
        """CPU seconds so far, by kind of process; servers only when they are our own."""
        ours = {"api": self.apis, "workers": self.workers}
        spent = {
            kind: cpu_seconds(pid(self.system.child(name)) for name in names)
            for kind, names in ours.items()
        }
        return spent | {
            name: cpu_seconds([pid(self.stack.process(name))]) for name in self.stack.servers
        }


@contextmanager
def running(
    *, apis: int = 1, workers: int = 2, old_months: bool = True, **changed: Any
) -> Iterator[Running]:
    """A fresh database, queues and keys, with that many processes; gone afterwards.

    With the months of the real purchases unless `old_months` is False: then those of a new system.
    """
    with servers() as (stack, urls), tempfile.TemporaryDirectory() as folder:
        settings = _settings(urls, changed)
        asyncio.run(_prepare(settings, urls.database, old_months=old_months))
        try:
            with System(settings, Path(folder)) as system:
                api_names = [f"api-{n}" for n in range(apis)]
                worker_names = [f"worker-{n}" for n in range(workers)]
                for name in api_names:
                    system.start(name, "api")
                for name in worker_names:
                    system.start(name, "workers")
                system.wait_until_ready()
                versions = asyncio.run(server_versions(urls))
                yield Running(settings, system, stack, api_names, worker_names, versions)
        finally:
            asyncio.run(_drop(settings, urls.database))


class Client:
    """A bank-feed integration and a mobile app in one."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session

    async def register(
        self, load: list[Purchase], person: Callable[[str], str] = str
    ) -> tuple[dict[str, str], dict[str, str]]:
        """An account for each card, and a user for each person who has one.

        Returns card -> account id and card -> user id.
        """
        cards = list(dict.fromkeys(purchase.card for purchase in load))
        gate = asyncio.Semaphore(16)

        async def one(card: str) -> tuple[str, str]:
            async with gate:
                user = await self.post("/v1/users", {"external_id": person(card)})
                account = {"user_id": user["user_id"], "external_id": card, "currency": "GBP"}
                made = await self.post("/v1/accounts", account)
                return made["account_id"], user["user_id"]

        made = await asyncio.gather(*(one(card) for card in cards))
        accounts = {card: account for card, (account, _) in zip(cards, made, strict=True)}
        users = {card: user for card, (_, user) in zip(cards, made, strict=True)}
        return accounts, users

    async def post(self, path: str, content: dict[str, Any]) -> dict[str, Any]:
        async with self.session.post(path, json=content) as answer:
            answer.raise_for_status()
            return dict(await answer.json())

    async def get(self, path: str) -> dict[str, Any]:
        async with self.session.get(path) as answer:
            answer.raise_for_status()
            return dict(await answer.json())

    async def push(self, body: bytes) -> str:
        """Push one batch until it is accepted; returns the ingest id."""
        while True:
            async with self.session.post(
                "/v1/transactions", data=body, headers={"Content-Type": "application/json"}
            ) as answer:
                if answer.status == 202:
                    return str(json.loads(await answer.read())["ingest_id"])
                if answer.status not in {429, 503}:
                    raise RuntimeError(f"{answer.status}: {(await answer.text())[:500]}")
                await asyncio.sleep(float(answer.headers.get("Retry-After", "1")))

    async def stored(self, ingest: str) -> dict[str, Any]:
        """Wait for the receipt."""
        while True:
            async with self.session.get(f"/v1/ingests/{ingest}?wait=20") as answer:
                answer.raise_for_status()
                receipt = dict(await answer.json())
                if receipt["status"] != "queued":
                    return receipt


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[Client]:
    """A client with a token of all scopes."""
    pool = await open_pool(settings.database_url, size=1, name="bench", timeout=10)
    token = await Tokens(pool).create("bench", SCOPES, expires_in=timedelta(days=1))
    await pool.close()
    if token is None:
        raise RuntimeError("no token was made")
    async with aiohttp.ClientSession(
        f"http://{settings.api_host}:{settings.api_port}",
        headers={"Authorization": f"Bearer {token.text}"},
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=120),
    ) as session:
        yield Client(session)


def _settings(urls: ServerUrls, changed: dict[str, Any]) -> Settings:
    name = f"spendline_bench_{uuid4().hex[:8]}"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return replace(
        Settings.from_environment(),
        database_url=urls.database.rpartition("/")[0] + "/" + name,
        broker_url=urls.broker,
        redis_url=urls.redis,
        queue_prefix=name,
        key_prefix=name,
        api_port=port,
        log_level="warning",
        **changed,
    )


async def settle(settings: Settings) -> None:
    """Do what earlier loads have left to autovacuum, which would do it during the next one."""
    connection = await asyncpg.connect(settings.database_url)
    await connection.execute("VACUUM (ANALYZE)")
    await connection.close()


async def _prepare(settings: Settings, server: str, *, old_months: bool) -> None:
    connection = await asyncpg.connect(server)
    await connection.execute(f"CREATE DATABASE {settings.queue_prefix}")
    await connection.close()
    await bring_up(settings)
    if old_months:
        connection = await asyncpg.connect(settings.database_url)
        await partitions.ensure(connection, FIRST, LAST)
        await connection.close()


async def _drop(settings: Settings, server: str) -> None:
    connection = await asyncpg.connect(server)
    await connection.execute(f"DROP DATABASE {settings.queue_prefix} WITH (FORCE)")
    await connection.close()


def _say(line: str) -> None:
    print(line, file=sys.stderr)


def pid(child: Child) -> int:
    """Of a child that runs."""
    if child.process is None:
        raise ProcessLookupError(child.name)
    return child.process.pid
