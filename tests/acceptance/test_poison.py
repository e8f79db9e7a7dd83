"""A chunk that ends every worker that takes it: it dies alone, and its ingest says why."""

from __future__ import annotations

import asyncio
from uuid import UUID

import asyncpg

from tests.acceptance.flow import Flow
from tests.acceptance.workers import start_worker
from tests.support.chunks import chunk
from tests.support.doubles import POISON
from workers.local.supervisor import System

ROWS = 50
DEATHS = 20  # more than any message may cause


async def test_only_the_poison_becomes_a_dead_letter(
    system: System, flow: Flow, pool: asyncpg.Pool
) -> None:
    # Given a poisonous chunk among its neighbours
    poison = chunk(users=flow.users, ids=["poison"], description=[POISON])
    await flow.send(*flow.fresh(4, ROWS))
    await flow.publisher.publish(poison)
    await flow.send(*flow.fresh(20, ROWS))
    # When workers take it, one after the other
    for _ in range(DEATHS):
        worker = start_worker(system, "worker")
        while worker.is_alive and not await _letters(pool):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
        if await _letters(pool):
            break
    # Then it alone is a dead letter, with its reason, and the others are in the feed
    (letter,) = await _letters(pool)
    assert letter["chunk_id"] == UUID(bytes=poison.chunk_id)
    assert letter["reason"] == "DeliveryLimit: every worker that held it died"
    await flow.drained()
    await flow.check()


async def _letters(pool: asyncpg.Pool) -> list[asyncpg.Record]:
    letters: list[asyncpg.Record] = await pool.fetch("SELECT chunk_id, reason FROM dead_letters")
    return letters
