"""RabbitMQ dies, freezes, raises alarms and is full: callers hear it, and nothing is lost."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.faults.conftest import OpenSite
from tests.faults.report import Row
from tests.faults.site import Site
from workers.local.stack import LocalStack

FROZEN_SECONDS = 15
LIMITS = {  # of the node: how to set it, what raises an alarm, what ends it
    "memory": ("set_vm_memory_high_watermark", "0.000001", "0.4"),
    "disk": ("set_disk_free_limit", "999GB", "50MB"),
}
ANSWER_SECONDS = 7  # the confirm's deadline of 5, and a busy machine


@pytest.mark.slow
@pytest.mark.parametrize("end", ["4 broker crash", "5 broker clean restart"])
async def test_callers_hear_503_and_workers_return_by_themselves(
    site: Site, stack: LocalStack, rows: list[Row], end: str
) -> None:
    for _ in range(2):
        # When the broker ends under load
        ending = stack.kill_server if end == "4 broker crash" else stack.stop_server
        await asyncio.to_thread(ending, "rabbitmq")
        # Then pushes are refused until it is back, and the same workers go on
        await site.refused()
        await site.restart("rabbitmq")
        await site.recovered()
        assert site.system.get_child("worker-1").is_alive
        assert site.system.get_child("worker-2").is_alive
    rows.append(await site.outcome(end))


@pytest.mark.slow
async def test_a_frozen_broker_is_refused_in_time_and_leaves_nothing_behind(
    site: Site, rows: list[Row]
) -> None:
    before = open_files(site)
    # When the broker stands still
    with site.frozen("rabbitmq"):
        await site.refused()
        await asyncio.sleep(FROZEN_SECONDS)
        assert not await site.traffic.ready()
    # Then callers hear it in time, and no connection is left over
    await site.recovered()
    assert site.traffic.slowest < ANSWER_SECONDS
    rows.append(await site.outcome("6 broker frozen 15 s"))
    await site.eventually(lambda: open_files(site) <= before + 2, seconds=30)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["memory", "disk"])
async def test_an_alarm_makes_the_system_unready_and_late_copies_are_absorbed(
    site: Site, stack: LocalStack, rows: list[Row], kind: str
) -> None:
    broker = stack.servers["rabbitmq"]
    limit, alarm, calm = LIMITS[kind]
    await asyncio.to_thread(broker.run_control, limit, alarm)
    try:
        await site.refused()
        await site.eventually(lambda: not_ready(site))
    finally:
        await asyncio.to_thread(broker.run_control, limit, calm)
    await site.recovered()
    await site.eventually(site.traffic.ready)
    rows.append(await site.outcome(f"7 {kind} alarm"))


async def test_a_full_queue_is_never_answered_with_202(
    make_site: OpenSite, rows: list[Row]
) -> None:
    # Given a queue of five messages and nobody who empties it
    async with make_site(queue_length=5, chunk_rows=50, clients=2) as site:
        site.start("api")
        await site.ready()
        site.traffic.start()
        # When it is full
        await site.refused()
        # Then what was accepted is what arrives
        site.start("worker")
        await site.recovered()
        rows.append(await site.outcome("8 queue full"))


def open_files(site: Site) -> int:
    pid = site.system.get_child("api").process.pid
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


async def not_ready(site: Site) -> bool:
    return not await site.traffic.ready()
