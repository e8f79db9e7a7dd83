"""A whole system that a test may break: servers, processes, traffic, and what became of it all."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg

from pipeline.access.tokens import Tokens
from pipeline.database.pool import open_pool
from pipeline.settings import Settings
from pipeline.transactions.ids import make_earliest_uuid7
from tests.faults.insights import recomputed, served
from tests.faults.report import Row
from tests.faults.traffic import Traffic
from tests.support.chunks import chunk, register
from tests.support.ledger import Ledger
from workers.local.child import Child
from workers.local.stack import LocalStack, ServerUrls
from workers.local.stack.server import find_free_ports
from workers.local.supervisor import System
from workers.preparation import prepare_system

_MODULES = {"api": "api", "worker": "tests.support.doubles"}
_POLL = 0.05
_AWAY = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)


class Site:
    """One system under test, with its own database, queues and keys on a shared private stack."""

    def __init__(
        self, stack: LocalStack, settings: Settings, folder: Path, pool: asyncpg.Pool
    ) -> None:
        self.stack = stack
        self.settings = settings
        self.pool = pool
        self.folder = folder
        self.system = System(settings, folder)
        self.ledger = Ledger(pool)
        self.traffic: Traffic
        self.recoveries: list[float] = []

    def start(self, *names: str) -> None:
        """Start processes: `api...` and `worker...`; what dies stays dead unless told else."""
        for name in names:
            self.system.start_process(name, _MODULES[name.rstrip("-0123456789")])

    async def ready(self) -> None:
        """Wait until the API is ready and every worker works."""
        await asyncio.to_thread(self.system.wait_until_ready)
        waiting = {name for name in self._names() if name.startswith("worker")}
        await self.eventually(lambda: not (waiting - self._working(waiting)))

    def _names(self) -> list[str]:
        return [log.stem for log in self.folder.glob("*.log")]

    def _working(self, names: set[str]) -> set[str]:
        return {n for n in names if "working:" in (self.folder / f"{n}.log").read_text()}

    async def eventually(self, condition: Any, seconds: float = 60) -> None:
        """Wait until `condition()` is true; it may be asynchronous."""
        async with asyncio.timeout(seconds):
            while True:
                answer = condition()
                if asyncio.iscoroutine(answer):
                    answer = await answer
                if answer:
                    return
                await asyncio.sleep(_POLL)

    async def flowing(self, chunks: int = 5) -> None:
        """Wait until that many more chunks are committed."""
        before = await self.ask("count(*) FROM ledger") or 0
        await self.eventually(
            lambda: self.true("count(*) >= $1 FROM ledger", before + chunks), seconds=90
        )

    async def recovered(self) -> None:
        """The fault is over: wait until something accepted from now on is committed."""
        began = time.monotonic()
        now = UUID(bytes=make_earliest_uuid7(datetime.now(UTC)))
        await self.eventually(
            lambda: self.true("EXISTS (SELECT FROM ledger WHERE chunk_id > $1)", now), seconds=90
        )
        self.recoveries.append(time.monotonic() - began)

    async def refused(self) -> None:
        """Wait until a push is answered with 503."""
        before = self.traffic.statuses[503]
        await self.eventually(lambda: self.traffic.statuses[503] > before)

    async def true(self, condition: str, *values: object) -> bool:
        return bool(await self.ask(condition, *values))

    async def ask(self, expression: str, *values: object) -> Any:
        """The value of an SQL expression; None while PostgreSQL is away."""
        with suppress(*_AWAY):
            return await self.pool.fetchval(f"SELECT {expression}", *values, timeout=5)
        return None

    async def restart(self, server: str) -> None:
        """Start a server that has ended, at its old address; the loop goes on meanwhile.

        It is started by this thread, with which it would die.
        """
        self.stack.get_process(server).start()
        await self.eventually(lambda: asyncio.to_thread(self.stack.servers[server].is_ready))

    @contextmanager
    def frozen(self, server: str) -> Iterator[None]:
        """A server whose processes all stand still."""
        tree = family(self.stack.get_process(server))
        for pid in tree:
            signal_to(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in tree:
                signal_to(pid, signal.SIGCONT)

    async def outcome(self, fault: str, *, stale: float = 2.0, drain: float = 300) -> Row:
        """End the traffic, let the queues drain, and compare everything with everything.

        No insight may be behind for longer than `stale` seconds; the queues have `drain` seconds.
        """
        await self.traffic.stop()
        await self.ledger.drained(drain)
        tally = await self.ledger.check()
        await self._insights_agree(stale)
        assert self.traffic.wrong == []
        assert self.traffic.stale <= stale
        return Row(
            fault,
            len(self.recoveries),
            tally.accepted,
            tally.lost,
            tally.duplicated,
            round(self.traffic.stale, 2),
            round(max(self.recoveries, default=0.0), 2),
        )

    async def _insights_agree(self, seconds: float) -> None:
        """Every insight equals its recomputation, at the latest after `seconds`."""
        for user in self.ledger.users:
            began = time.monotonic()
            while not await self._insight_agrees(user):
                behind = time.monotonic() - began
                assert behind < seconds, "an insight does not agree"
                self.traffic.stale = max(self.traffic.stale, behind)
                await asyncio.sleep(_POLL)

    async def _insight_agrees(self, user: bytes) -> bool:
        """Recomputed every time: a late copy of a batch with an unknown outcome may come now."""
        expected = await recomputed(self.pool, user)
        report = await self.traffic.insight(user)
        return report is not None and served(report) == expected


@asynccontextmanager
async def open_site(
    stack: LocalStack,
    folder: Path,
    urls: ServerUrls,
    *,
    clients: int = 4,
    rows: int = 50,
    pace: float = 0.2,
    replica: str = "",
    **settings: Any,
) -> AsyncIterator[Site]:
    """A migrated system by way of `urls`, without processes yet; `settings` differ from usual.

    Its API reads from the server of the `replica` URL too.
    """
    prefix = f"f{uuid4().hex[:8]}"
    await _execute(stack.urls.database, f"CREATE DATABASE {prefix}")
    ours = replace(
        Settings(),
        database_url=_in_database(urls.database, prefix),
        replica_urls=_in_database(replica, prefix) if replica else "",
        broker_url=urls.broker,
        redis_url=urls.redis,
        queue_prefix=prefix,
        key_prefix=prefix,
        api_port=find_free_ports(1)[0],
        environment="test",
        **({"api_metrics_port": 0, "worker_metrics_port": 0} | settings),
    )
    direct = _in_database(stack.urls.database, prefix)
    await prepare_system(replace(ours, database_url=direct, broker_url=stack.urls.broker))
    async with await open_pool(direct, size=4, name="test", timeout=30) as pool:
        site = Site(stack, ours, folder, pool)
        await register(pool, chunk(users=site.ledger.users))
        token = await Tokens(pool).create_token("faults", ("ingest", "read"))
        address = f"http://{ours.api_host}:{ours.api_port}"
        with site.system:
            async with Traffic(
                site.ledger, address, token.text, clients=clients, rows=rows, pace=pace
            ) as site.traffic:
                yield site


def family(child: Child) -> list[int]:
    """A process and all below it."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
    tree = [child.process.pid]
    for pid in tree:
        tree += [one for one, parent in parents.items() if parent == pid]
    return tree


def signal_to(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def _in_database(url: str, name: str) -> str:
    return f"{url.rpartition('/')[0]}/{name}"


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
