"""What could not be stored: seen, mended, replayed, given up, by the command line."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import asyncpg
import numpy as np

from pipeline.database import partitions
from pipeline.reads.receipts import read_receipt
from pipeline.reads.source import ReadSource
from pipeline.settings import Settings
from pipeline.transactions.ticket import Ticket
from tests.acceptance.flow import Flow
from tests.acceptance.workers import start_worker
from tests.support.chunks import chunk
from tests.support.doubles import DEFECT
from tests.support.ledger import until
from workers.local.supervisor import System

SPENDLINE = Path(sys.executable).parent / "spendline"
LONG_AGO = date(1999, 12, 31)
DAYS = (LONG_AGO - date(1970, 1, 1)).days


async def spendline(settings: Settings, *arguments: str, status: int = 0) -> Any:
    """What `spendline dead-letters ... --json` answers."""
    done = await asyncio.to_thread(
        subprocess.run,
        [SPENDLINE, "dead-letters", *arguments, "--json"],
        env=settings.make_child_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == status, done.stderr
    return json.loads(done.stdout)


def with_rows(flow: Flow, **columns: object) -> Any:
    return chunk(users=flow.users, ids=[f"row-{n}" for n in range(100)], **columns)


async def test_a_row_without_a_month_dies_alone_and_is_replayed_once_there_is_one(
    system: System, own: Settings, flow: Flow, pool: asyncpg.Pool
) -> None:
    # Given a chunk of which one row has no month
    days = np.full(100, 20_400, np.int32)
    days[41] = DAYS
    sent = with_rows(flow, booked_on=days.tobytes())
    start_worker(system, "worker")
    await flow.publisher.publish(sent)
    await until(pool, "count(*) = 1 FROM dead_letters")
    await until(pool, "count(*) = 99 FROM transactions")
    # When it is looked at
    (listed,) = (await spendline(own, "list"))["dead_letters"]
    shown = await spendline(own, "show", str(listed["letter_id"]))
    # Then it says why, and its ingest too
    assert (listed["rows"], shown["rows"], len(shown["ingests"])) == (1, 1, 1)
    assert listed["reason"] == "NoPartition: a date outside the managed months"
    ticket = Ticket(sent.parts[0].ingest_id, 1, 100, 0)
    told = await read_receipt(ReadSource(pool), ticket)
    assert (told.status, told.added, told.reason) == ("failed", 99, listed["reason"])
    # And when the month is made, and it is replayed
    async with pool.acquire() as connection:
        await partitions.ensure_months(connection, LONG_AGO, LONG_AGO)
    became = await spendline(own, "replay", "--all")
    assert became["dead_letters"] == [{"letter_id": listed["letter_id"], "became": "replayed"}]
    # Then it is in the feed, and its ingest is stored
    await until(pool, "count(*) = 100 FROM transactions")
    told = await read_receipt(ReadSource(pool), ticket)
    assert (told.status, told.added) == ("stored", 100)
    assert (await spendline(own, "list"))["dead_letters"] == []


async def test_a_letter_that_is_dropped_leaves_its_ingest_failed(
    system: System, own: Settings, flow: Flow, pool: asyncpg.Pool
) -> None:
    # Given a chunk of which two rows raise
    texts = [DEFECT if n in {0, 99} else "TEA" for n in range(100)]
    sent = with_rows(flow, description=texts)
    start_worker(system, "worker")
    await flow.publisher.publish(sent)
    await until(pool, "count(*) = 2 FROM dead_letters")
    await until(pool, "count(*) = 98 FROM transactions")
    first, second = (row["letter_id"] for row in (await spendline(own, "list"))["dead_letters"])
    # When one is dropped, then the other and one that is not there
    await spendline(own, "drop", str(first))
    became = await spendline(own, "drop", str(second), "999999", status=1)
    # Then each is told, nothing is left, and the reason stays
    assert [row["became"] for row in became["dead_letters"]] == [
        "dropped",
        "there is no such letter",
    ]
    told = await read_receipt(ReadSource(pool), Ticket(sent.parts[0].ingest_id, 1, 100, 0))
    assert told.status == "failed"
    assert told.reason.startswith("Defect: ZeroDivisionError")
    acts = await pool.fetchval("SELECT count(*) FROM audit WHERE act = 'dead_letter.removed'")
    assert acts == 2
