"""PostgreSQL dies, freezes, is locked or full: the queue grows, and nothing becomes a dead letter."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import numpy as np
import pytest

from pipeline.database.clock import Clock
from pipeline.queue.publisher import Publisher
from pipeline.queue.topology import Queues
from tests.faults.conftest import OpenSite
from tests.faults.report import Row
from tests.faults.site import Site
from tests.support.chunks import chunk
from workers.local.stack import LocalStack

FROZEN_SECONDS = 15
LOCKED_SECONDS = 8
TABLE = "transactions_2025_11"


@pytest.mark.slow
async def test_a_crash_of_postgres_kills_no_letter(
    site: Site, stack: LocalStack, rows: list[Row]
) -> None:
    for _ in range(2):
        stack.get_process("postgres").send_signal(signal.SIGQUIT)  # pg_ctl stop -m immediate
        await asyncio.to_thread(stack.get_process("postgres").wait_or_kill, 15)
        await asyncio.sleep(2)
        await site.restart("postgres")
        await site.recovered()
    assert await site.ask("count(*) FROM dead_letters") == 0
    rows.append(await site.outcome("9 PostgreSQL crash"))


@pytest.mark.slow
async def test_a_frozen_postgres_lets_timeouts_fire_and_the_queue_grow(
    make_site: OpenSite, rows: list[Row]
) -> None:
    async with make_site(write_seconds=3.0, read_seconds=2.0) as site:
        site.start("api", "worker")
        await site.ready()
        site.traffic.start()
        await site.flowing()
        with site.frozen("postgres"):
            await asyncio.sleep(FROZEN_SECONDS)
            assert not await site.traffic.ready()
        await site.recovered()
        assert site.traffic.slowest < 10
        assert await site.ask("count(*) FROM dead_letters") == 0
        rows.append(await site.outcome("10 PostgreSQL frozen 15 s"))


@pytest.mark.slow
async def test_a_locked_month_delays_and_loses_nothing(
    make_site: OpenSite, rows: list[Row]
) -> None:
    async with make_site(write_seconds=3.0, read_seconds=2.0) as site:
        site.start("api", "worker")
        await site.ready()
        site.traffic.start()
        await site.flowing()
        async with site.pool.acquire() as connection, connection.transaction():
            await connection.execute(f"LOCK TABLE {TABLE} IN ACCESS EXCLUSIVE MODE")
            await asyncio.sleep(LOCKED_SECONDS)
        await site.recovered()
        assert "StoreUnavailable" in (site.folder / "worker.log").read_text()
        assert await site.ask("count(*) FROM dead_letters") == 0
        rows.append(await site.outcome("10 month locked 8 s"))


@pytest.fixture
def small_disk(stack: LocalStack) -> Iterator[Path]:
    """A disk of 8 MB that belongs to the account of PostgreSQL."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    folder = stack.folder / f"disk-{uuid4().hex[:4]}"
    folder.mkdir()
    owner = (stack.folder / "postgres").stat()
    options = f"size=8m,uid={owner.st_uid},gid={owner.st_gid},mode=0700"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("this machine does not let us mount")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.slow
async def test_a_full_disk_rolls_whole_batches_back(
    make_site: OpenSite, rows: list[Row], small_disk: Path
) -> None:
    async with make_site() as site:
        space = f"small_{uuid4().hex[:8]}"
        await site.pool.execute(f"CREATE TABLESPACE {space} LOCATION '{small_disk}'")
        await site.pool.execute(f"ALTER TABLE {TABLE} SET TABLESPACE {space}")
        site.start("api", "worker")
        await site.ready()
        site.traffic.start()
        # When the disk of one month is full
        filler = small_disk / "filler"
        with suppress(OSError):
            filler.write_bytes(bytes(32 << 20))
        log = site.folder / "worker.log"
        await site.eventually(lambda: "DiskFull" in log.read_text())
        # And there is room again
        filler.unlink()
        await site.recovered()
        assert await site.ask("count(*) FROM dead_letters") == 0
        rows.append(await site.outcome("11 PostgreSQL disk full", stale=5))
        await site.pool.execute(f"ALTER TABLE {TABLE} SET TABLESPACE pg_default")
        await site.pool.execute(f"DROP TABLESPACE {space}")


async def test_a_date_without_a_month_is_refused_or_becomes_a_dead_letter_and_is_never_tried_for_ever(
    make_site: OpenSite, rows: list[Row]
) -> None:
    async with make_site(clients=1) as site:
        site.start("api", "worker")
        await site.ready()
        site.traffic.start()
        await site.flowing(2)
        # At the door it is refused
        for day in ("1970-01-01", "2100-01-01"):
            item = site.traffic.item("nowhere") | {"date": day}
            assert await site.traffic.post([item]) == 422
        assert len(site.traffic.wrong) == 2
        site.traffic.wrong.clear()
        # Past the door it becomes a dead letter, alone
        for days in (0, 47_482):
            await publish_past_the_door(site, days)
        await site.eventually(lambda: site.true("count(*) = 2 FROM dead_letters"))
        assert await site.ask("min(reason) FROM dead_letters") == (
            "NoPartition: a date outside the managed months"
        )
        await site.recovered()
        rows.append(await site.outcome("12 date without a partition"))


async def publish_past_the_door(site: Site, days: int) -> None:
    settings = site.settings
    lost = chunk(
        users=site.ledger.users[:1], ids=["nowhere"], booked_on=np.array([days], np.int32).tobytes()
    )
    queue = Queues(settings.queue_prefix).ingest
    publisher = Publisher(settings.broker_url, queue, Clock(), confirm_seconds=5)
    await publisher.start()
    await publisher.publish(lost)
    await publisher.stop()
