"""Processes of ours die at the worst places, or are asked to stop."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.fail_point import EXIT, Place
from tests.faults.conftest import OpenSite
from tests.faults.report import Row
from tests.faults.site import Site
from tests.faults.traffic import key_of
from workers.local.supervisor import System

KILLS = 20
DEATHS = 3  # at each fail-point


async def die_at(site: Site, place: Place, folder: Path) -> None:
    """A further worker takes one chunk and dies at that place."""
    broken = replace(site.settings, fail_point=place)
    with System(broken, folder) as other:
        worker = other.start_process("broken", "tests.support.doubles")
        await site.eventually(lambda: not worker.is_alive)
        assert worker.wait() == EXIT
    await site.recovered()


@pytest.mark.slow
async def test_insights_are_right_soon_when_a_worker_dies_before_it_tells(
    make_site: OpenSite, rows: list[Row], tmp_path: Path
) -> None:
    async with make_site() as site:
        site.start("api", "worker")
        await site.ready()
        site.traffic.start()
        for _ in range(DEATHS):
            await die_at(site, "committed", tmp_path / "broken")
        rows.append(await site.outcome("2 worker dies between commit and event"))


@pytest.mark.slow
@pytest.mark.parametrize("place", ["copied", "announced"])
async def test_a_worker_that_dies_in_mid_batch_leaves_it_whole_or_absent(
    site: Site, rows: list[Row], tmp_path: Path, place: Place
) -> None:
    for _ in range(DEATHS):
        await die_at(site, place, tmp_path / "broken")
    where = {"copied": "after COPY", "announced": "before ack"}[place]
    rows.append(await site.outcome(f"1 worker killed {where}"))


@pytest.mark.slow
async def test_workers_killed_at_random_lose_nothing(site: Site, rows: list[Row]) -> None:
    chance = random.Random(7)
    for _ in range(KILLS):
        await asyncio.sleep(chance.uniform(0, 0.5))
        name = chance.choice(["worker-1", "worker-2"])
        site.system.kill_process(name)
        site.start(name)
        await site.recovered()
    rows.append(await site.outcome("1 worker killed at random"))


@pytest.mark.slow
async def test_the_same_request_after_a_dead_api_makes_no_second_row(
    site: Site, rows: list[Row]
) -> None:
    chance = random.Random(7)
    for _ in range(5):
        await asyncio.sleep(chance.uniform(0.2, 0.7))
        site.system.kill_process("api")
        site.start("api")
        await site.recovered()
    rows.append(await site.outcome("3 API killed before the 202"))


@pytest.mark.slow
async def test_the_same_batches_shuffled_three_times_change_nothing(
    make_site: OpenSite, rows: list[Row]
) -> None:
    async with make_site() as site:
        site.start("api", "worker-1", "worker-2")
        await site.ready()
        # Given transactions that are in the feed
        items = site.traffic.fresh(3_000)
        await site.traffic.push(items)
        await site.ledger.drained()
        before = await everything(site)
        # When they are pushed again in other order and other pieces, by many at once
        shuffled = random.Random(7)
        for size in (100, 250, 1_000):
            shuffled.shuffle(items)
            pieces = [items[start : start + size] for start in range(0, len(items), size)]
            await asyncio.gather(site.recovered(), *map(site.traffic.push, pieces))
        await site.eventually(lambda: site.true("sum(added + unchanged) = 12000 FROM receipts"))
        # Then no row and no position has changed
        assert await everything(site) == before
        rows.append(await site.outcome("17 duplicates and reordering"))


async def everything(site: Site) -> list[tuple[object, ...]]:
    records = await site.pool.fetch("SELECT * FROM transactions ORDER BY user_id, id")
    return [tuple(row) for row in records]


async def test_a_graceful_stop_under_load_is_noticed_by_nobody(
    make_site: OpenSite, rows: list[Row]
) -> None:
    async with make_site() as site:
        # Given two of each under load
        site.start("api-1", "api-2", "worker-1", "worker-2")
        await site.ready()
        site.traffic.start()
        await site.flowing()
        # When one of each is asked to stop
        for name in ("worker-1", "api-1"):
            assert await asyncio.to_thread(site.system.stop_process, name) == 0
            await site.recovered()
        # Then every client was answered as if nothing had happened
        assert set(site.traffic.statuses) == {202}
        assert set(site.traffic.reads) == {200}
        rows.append(await site.outcome("22 graceful stop under load"))


POISONS = {"exits": "POISON", "raises": "DEFECT", "loops": "ENDLESS", "eats memory": "GREEDY"}


@pytest.mark.slow
@pytest.mark.parametrize("kind", POISONS)
async def test_of_a_poisonous_batch_only_the_bad_row_dies(
    make_site: OpenSite, rows: list[Row], kind: str
) -> None:
    async with make_site(write_seconds=1.0, clients=1) as site:
        site.start("api", "worker")
        await site.ready()
        site.traffic.start()
        # Given a batch with one bad row
        neighbours = [site.traffic.item(f"near-{number}") for number in range(1)]
        poison = site.traffic.item("poison") | {"description": POISONS[kind]}
        assert await site.traffic.post([*neighbours, poison]) == 202
        near = site.ledger.sent(map(key_of, neighbours))
        # When workers take it, one after the other
        mending = asyncio.create_task(mend(site))
        await site.eventually(lambda: site.true("count(*) = 1 FROM dead_letters"), seconds=240)
        # Then it alone is a dead letter, and its neighbours are in the feed
        assert await site.ask("rows FROM dead_letters") == 1
        site.ledger.accepted |= near
        await site.recovered()
        mending.cancel()
        rows.append(await site.outcome(f"18 poison batch: {kind}"))


async def mend(site: Site) -> None:
    """Start the worker whenever it is dead."""
    while True:
        if not site.system.get_child("worker").is_alive:
            site.start("worker")
        await asyncio.sleep(0.1)
