"""A real standby answers reads when it has caught up; else nobody notices that it is there."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import asyncpg
import pytest
import redis

from pipeline.access.tokens import SCOPES, Tokens
from pipeline.database.pool import open_pool
from pipeline.settings import Settings
from tests.faults.site import family, signal_to
from tests.integration.observed import Observed, free_ports
from tests.support.raw_client import RawClient, purchase
from tests.support.waiting import until
from workers.local.stack import LocalStack, ServerUrls
from workers.local.supervisor import System
from workers.preparation import prepare_system

MONTH = {"from": "2026-11-01", "to": "2026-11-30"}
REPLICA = "replica-1"


@dataclass
class Replicated:
    """A system whose API has a replica, the stack of its database, and a client of it."""

    stack: LocalStack
    observed: Observed
    client: RawClient
    standby: asyncpg.Connection
    primary: asyncpg.Pool

    def answered(self, by: str) -> float:
        return self.observed.total("spendline_replica_reads_total", answered=by)

    async def caught_up(self) -> None:
        """The replica is in use and has replayed all that the primary has written."""
        await asyncio.to_thread(until, self.usable)
        written = await self.primary.fetchval("SELECT pg_current_wal_lsn()")
        async with asyncio.timeout(20):
            while not await self.standby.fetchval(  # noqa: ASYNC110 - PostgreSQL's state
                "SELECT pg_last_wal_replay_lsn() >= $1", written
            ):
                await asyncio.sleep(0.01)

    def usable(self) -> bool:
        return self.observed.total("spendline_replicas", state="usable") == 1

    async def paused(self) -> None:
        await self.standby.execute("SELECT pg_wal_replay_pause()")
        async with asyncio.timeout(20):
            while (  # noqa: ASYNC110 - PostgreSQL's state
                await self.standby.fetchval("SELECT pg_get_wal_replay_pause_state()") != "paused"
            ):
                await asyncio.sleep(0.01)

    async def read(self, account: dict[str, str], transaction: str) -> list[Any]:
        """What every read says of how often there is a transaction: as many numbers."""
        user = f"/v1/users/{account['user_id']}"
        feed = await self.client.get(f"{user}/transactions")
        sync = await self.client.get(f"{user}/transactions/sync")
        insight = await self.client.get(f"{user}/insights/spending", **MONTH)
        assert [feed.status, sync.status, insight.status] == [200] * 3
        names = [t["transaction_id"] for t in feed.body["transactions"]]
        added = [t["transaction_id"] for t in sync.body["added"]]
        single = await self.client.get(
            f"{user}/transactions/{feed.body['transactions'][names.index(transaction)]['id']}"
        )
        assert single.status == 200
        return [
            names.count(transaction),
            added.count(transaction),
            insight.body["currency_totals"]["GBP"]["count"],
        ]


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    """A PostgreSQL of our own with a replica; the other servers are those of the run."""
    folder = Path(Settings.from_environment().data_folder).absolute() / f"test-{uuid4().hex[:8]}"
    others = ServerUrls(broker="given", redis="given")
    with (stack := LocalStack(folder, external=others, keep=False, say=lambda _: None)):
        stack.start_replica()
        yield stack


@pytest.fixture(scope="module")
def observed(
    settings: Settings, stack: LocalStack, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Observed]:
    first = free_ports(2)
    prefix = f"{settings.queue_prefix}-replicas"
    own = replace(
        settings,
        database_url=stack.urls.database,
        replica_urls=stack.servers[REPLICA].url,
        replica_rest_seconds=0.2,
        queue_prefix=prefix,
        key_prefix=prefix,
        api_port=first,
        api_metrics_port=first + 1,
        worker_metrics_port=0,
    )
    asyncio.run(prepare_system(own))
    folder = tmp_path_factory.mktemp("replicas")
    with System(own, folder) as system:
        system.start_process("api", "api")
        system.start_process("worker", "tests.support.doubles")
        system.wait_until_ready()
        yield Observed(own, system, folder, [first + 1], [])


@pytest.fixture
async def system(stack: LocalStack, observed: Observed) -> AsyncIterator[Replicated]:
    own = observed.settings
    async with (
        await open_pool(own.database_url, size=1, name="test", timeout=30) as pool,
        aiohttp.ClientSession(
            f"http://{own.api_host}:{own.api_port}", auto_decompress=False
        ) as http,
    ):
        token = await Tokens(pool).create_token("test", SCOPES)
        standby = await asyncpg.connect(own.replica_urls)
        client = RawClient(http, token.text, token.token_id)
        yield Replicated(stack, observed, client, standby, pool)
        if not standby.is_closed():
            await standby.execute("SELECT pg_wal_replay_resume()")
            await standby.close()
        stack.restart_ended()


async def test_a_replica_that_has_caught_up_answers_every_read(system: Replicated) -> None:
    # Given a feed that has reached the replica
    account = await system.client.new_account(f"user-{uuid4().hex}")
    await system.client.push(purchase(account, transaction_id="first"))
    await system.caught_up()
    before, others = system.answered("replica"), system.answered("behind")
    # When it is read in every way
    assert await system.read(account, "first") == [1, 1, 1]
    # Then the replica has answered all of it
    assert system.answered("replica") == before + 4
    assert system.answered("behind") == others


async def test_a_paused_replica_never_gives_a_stale_answer(system: Replicated) -> None:
    # Given a feed that was read from the replica, which then stands still
    account = await system.client.new_account(f"user-{uuid4().hex}")
    await system.client.push(purchase(account, transaction_id="first"))
    await system.caught_up()
    await system.read(account, "first")
    await system.paused()
    behind = system.answered("behind")
    # When more is pushed, and read as soon as it is stored
    for number in range(2, 6):
        await system.client.push(purchase(account, transaction_id=f"t{number}"))
        assert await system.read(account, f"t{number}") == [1, 1, number]
    # And another user's feed has not reached it at all
    other = await system.client.new_account(f"user-{uuid4().hex}")
    await system.client.push(purchase(other, transaction_id="other"))
    assert await system.read(other, "other") == [1, 1, 1]
    assert system.answered("behind") == behind + 5 * 4
    # And it is in use again when it goes on
    await system.standby.execute("SELECT pg_wal_replay_resume()")
    await system.caught_up()
    replica = system.answered("replica")
    await system.read(account, "t5")
    assert system.answered("replica") > replica


async def test_what_a_receipt_calls_stored_is_read_although_its_event_was_lost(
    system: Replicated,
) -> None:
    # Given a replica that stands at the first push, and a Redis that did not hear of the second
    account = await system.client.new_account(f"user-{uuid4().hex}")
    await system.client.push(purchase(account, transaction_id="first"))
    await system.caught_up()
    await system.read(account, "first")
    await system.paused()
    receipt = await system.client.push(purchase(account, transaction_id="second"))
    with redis.Redis.from_url(system.observed.settings.redis_url) as server:
        prefix = system.observed.settings.key_prefix
        server.set(f"{prefix}:position:{account['user_id'].replace('-', '')}", 1, ex=60)
    # When a client is told that the second is stored
    await system.client.get(f"/v1/ingests/{receipt.body['ingest_id']}")
    # Then it finds it
    assert await system.read(account, "second") == [1, 1, 2]


async def test_what_was_shown_once_is_shown_to_everybody(system: Replicated) -> None:
    # Given a reader who knows of more than Redis and the replica do
    account = await system.client.new_account(f"user-{uuid4().hex}")
    await system.client.push(purchase(account, transaction_id="first"))
    await system.caught_up()
    await system.paused()
    await system.client.push(purchase(account, transaction_id="second"))
    sync = f"/v1/users/{account['user_id']}/transactions/sync"
    cursor = (await system.client.get(sync)).body["next_cursor"]
    with redis.Redis.from_url(system.observed.settings.redis_url) as server:
        prefix = system.observed.settings.key_prefix
        server.set(f"{prefix}:position:{account['user_id'].replace('-', '')}", 1, ex=60)
    # When that reader comes back
    again = await system.client.get(sync, cursor=cursor)
    assert (again.body["position"], again.body["added"]) == (2, [])
    # Then all others are shown as much
    assert await system.read(account, "second") == [1, 1, 2]


async def test_an_erased_user_is_not_shown_by_a_replica_that_is_behind(
    system: Replicated,
) -> None:
    account = await system.client.new_account(f"user-{uuid4().hex}")
    await system.client.push(purchase(account, transaction_id="first"))
    await system.caught_up()
    await system.read(account, "first")
    await system.paused()
    user = f"/v1/users/{account['user_id']}"
    assert (await system.client.ask("DELETE", user)).status == 204
    for path in ("/transactions", "/transactions/sync", "/insights/spending"):
        assert (await system.client.get(user + path)).status == 404


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_replica_that_dies_or_freezes_is_not_missed(
    system: Replicated, end: signal.Signals
) -> None:
    # Given a replica in use
    account = await system.client.new_account(f"user-{uuid4().hex}")
    await system.client.push(purchase(account, transaction_id="first"))
    await system.caught_up()
    await system.read(account, "first")
    away = system.answered("away")
    # When it ends or stands still
    everything = family(system.stack.get_process(REPLICA))
    for pid in everything:
        signal_to(pid, end)
    # Then all reads go on, and only the first may wait a moment
    for number in range(2, 6):
        await system.client.push(purchase(account, transaction_id=f"t{number}"))
        began = time.monotonic()
        assert await system.read(account, f"t{number}") == [1, 1, number]
        assert time.monotonic() - began < 2
    assert system.answered("away") > away
    assert (await system.client.get("/readyz")).status == 200
    # And it is used again when it is back
    for pid in everything:
        signal_to(pid, signal.SIGCONT)
    system.stack.restart_ended()
    await asyncio.to_thread(until, system.usable)
