"""Real worker processes, killed and doubled: every transaction is in the feed exactly once."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from tests.acceptance.flow import Flow
from tests.acceptance.workers import start_worker, wait_until_working
from tests.support.ledger import until
from workers.local.supervisor import System

KILLS = 20
CHUNKS = 5  # between two kills
ROWS = 500

_IN_BATCH = """EXISTS (SELECT 1 FROM pg_stat_activity WHERE application_name = 'spendline-worker'
    AND datname = current_database() AND wait_event_type = 'Lock')"""


@asynccontextmanager
async def batches_held(pool: asyncpg.Pool, table: str) -> AsyncIterator[None]:
    """Every batch stops where it would first write to `table`, until the block ends."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE")
        yield


async def test_a_worker_killed_in_mid_batch_loses_and_doubles_nothing(
    system: System, flow: Flow, pool: asyncpg.Pool
) -> None:
    # Given a worker in whose queue 50,000 rows flow
    start_worker(system, "worker")
    for kill in range(KILLS):
        before = await flow.written()
        sending = asyncio.create_task(flow.send(*flow.fresh(CHUNKS, ROWS)))
        # When it is killed: before its first write, after its COPY, or just after a commit
        where = ("feeds", "receipts", None)[kill % 3]
        if where:
            async with batches_held(pool, where):
                await until(pool, _IN_BATCH)
                system.kill_process("worker")
        else:
            await until(pool, "count(*) > $1 FROM ledger", before)
            system.kill_process("worker")
        # And the next one comes
        start_worker(system, "worker")
        await sending
    # Then nothing is lost, nothing is doubled, and positions have no gaps
    await flow.drained()
    assert len(flow.accepted) == KILLS * CHUNKS * ROWS
    await flow.check()


async def test_two_workers_that_write_for_the_same_users_give_gapless_positions(
    system: System, flow: Flow, pool: asyncpg.Pool
) -> None:
    # Given two workers
    start_worker(system, "worker-1")
    start_worker(system, "worker-2")
    wait_until_working(system, "worker-1", "worker-2")
    # When both have chunks of the same users
    await flow.send(*flow.fresh(60, 200))
    await flow.drained()
    # Then the positions of every user are exactly 1..n
    await flow.check()
    for name in ("worker-1", "worker-2"):
        assert system.stop_process(name) == 0


async def test_the_same_file_pushed_three_times_in_any_order_changes_nothing(
    system: System, flow: Flow, pool: asyncpg.Pool
) -> None:
    # Given a file that is in the feed
    start_worker(system, "worker")
    ids = [f"file-{n}" for n in range(3_000)]
    await flow.send(flow.chunk(ids))
    await flow.drained()
    first = await _everything(pool)
    # When it is pushed again, shuffled and cut in other pieces
    shuffled = random.Random(7)
    for _ in range(2):
        shuffled.shuffle(ids)
        await flow.send(flow.chunk(ids[:1_000]), flow.chunk(ids[1_000:]))
    await until(pool, "count(*) = 5 FROM ledger")
    # Then nothing has changed, and the receipts say so
    assert await _everything(pool) == first
    counts = await pool.fetchrow("SELECT sum(added), sum(modified), sum(unchanged) FROM receipts")
    assert tuple(counts) == (3_000, 0, 6_000)
    await flow.check()


async def _everything(pool: asyncpg.Pool) -> list[asyncpg.Record]:
    rows: list[asyncpg.Record] = await pool.fetch("SELECT * FROM transactions ORDER BY user_id, id")
    return rows
