"""A replica lags, stands still, freezes or dies: readers are told nothing old, and none waits long."""

from __future__ import annotations

import asyncio
import re
import time
import urllib.request
from collections.abc import AsyncIterator, Awaitable, Iterator
from contextlib import asynccontextmanager
from typing import TypeVar
from uuid import UUID

import asyncpg
import pytest

from client import ChangePage, TransactionPage
from tests.faults.conftest import OpenSite
from tests.faults.report import Row
from tests.faults.site import Site
from workers.local.stack import LocalStack
from workers.local.stack.server import find_free_ports

NAME = "replica-1"
FAULT_SECONDS = 3

Page = TypeVar("Page", ChangePage, TransactionPage)


@pytest.fixture
def replica(stack: LocalStack) -> Iterator[str]:
    """The URL of a replica that is gone after the test."""
    yield stack.start_replica()
    stack.kill_server(NAME)
    del stack.servers[NAME]


class Reader:
    """Reads one user's feed and changes without end; `slowest` is its longest wait in seconds."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.user = UUID(bytes=site.ledger.users[0])
        self.rows: dict[UUID, int] = {}
        self.position = 0
        self.slowest = 0.0

    async def read(self, question: Awaitable[Page]) -> Page:
        """An answer, which is never an error and never older than the one before."""
        began = time.monotonic()
        page = await self.site.traffic.read(question)
        self.slowest = max(self.slowest, time.monotonic() - began)
        assert page is not None
        assert page.position >= self.position, "an answer went back"
        self.position = page.position
        return page

    async def read_on(self) -> None:
        """Follow the changes from the beginning, and look at the feed at every step."""
        client, cursor = self.site.traffic.client, None
        while True:
            changes = await self.read(client.get_changes(self.user, cursor))
            for row in changes.added + changes.modified:
                assert row.id not in self.rows, "a row came twice"
                self.rows[row.id] = row.position
            cursor = changes.next_cursor
            await self.read(client.get_feed_page(self.user, limit=10))
            await asyncio.sleep(0.01)


@asynccontextmanager
async def reading(site: Site) -> AsyncIterator[Reader]:
    reader = Reader(site)
    task = asyncio.create_task(reader.read_on())
    try:
        yield reader
        assert not task.done(), await task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["1 s behind", "paused", "frozen", "killed"])
async def test_readers_are_told_nothing_old_and_nobody_fails(
    make_site: OpenSite, stack: LocalStack, replica: str, rows: list[Row], fault: str
) -> None:
    (port,) = find_free_ports(1)
    async with make_site(replica=replica, replica_rest_seconds=0.5, api_metrics_port=port) as site:
        # Given a system under load whose readers are answered by a replica too
        site.start("api", "worker-1", "worker-2")
        await site.ready()
        site.traffic.start()
        await site.flowing()
        await site.eventually(lambda: asyncio.to_thread(answered, port, "replica"))
        async with reading(site) as reader:
            await site.eventually(lambda: reader.rows)
            # When that replica fails, twice
            for _ in range(2):
                before = await asyncio.to_thread(answered, port, "behind", "away")
                await failing(site, stack, replica, fault)
                # Then the primary has answered meanwhile
                assert await asyncio.to_thread(answered, port, "behind", "away") > before
                # And the replica answers again afterwards
                after = await asyncio.to_thread(answered, port, "replica")
                await site.eventually(lambda n=after: more(port, n))
                await site.recovered()
            assert reader.slowest < 3
            # And the reader has missed nothing on the way
            assert sorted(reader.rows.values()) == list(range(1, len(reader.rows) + 1))
        # And nobody was told an error
        assert set(site.traffic.reads) == {200}
        rows.append(await site.outcome(f"21 replica {fault}"))


async def failing(site: Site, stack: LocalStack, url: str, fault: str) -> None:
    """The fault for some seconds."""
    if fault == "killed":
        await asyncio.to_thread(stack.kill_server, NAME)
        await asyncio.sleep(FAULT_SECONDS)
        await site.restart(NAME)
    elif fault == "frozen":
        with site.frozen(NAME):
            await asyncio.sleep(FAULT_SECONDS)
    elif fault == "paused":
        await tell(url, "SELECT pg_wal_replay_pause()")
        await asyncio.sleep(FAULT_SECONDS)
        await tell(url, "SELECT pg_wal_replay_resume()")
    else:
        await tell(url, "ALTER SYSTEM SET recovery_min_apply_delay = '1s'")
        await tell(url, "SELECT pg_reload_conf()")
        await asyncio.sleep(FAULT_SECONDS)
        await tell(url, "ALTER SYSTEM RESET recovery_min_apply_delay")
        await tell(url, "SELECT pg_reload_conf()")


async def tell(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def more(port: int, than: int) -> bool:
    return await asyncio.to_thread(answered, port, "replica") > than


def answered(port: int, *by: str) -> int:
    """Reads answered by the replica, or by the primary because it was `behind` or `away`."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    matches = re.findall(r'spendline_replica_reads_total{answered="(\w+)"} (\S+)', text)
    return sum(int(float(value)) for name, value in matches if name in by)
