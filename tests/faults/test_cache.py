"""Redis dies, forgets, stands still, or is never told: readers go to SQL and are told no lie."""

from __future__ import annotations

import asyncio
import re
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import redis.asyncio

from tests.faults.conftest import OpenSite
from tests.faults.report import Row
from tests.faults.site import Site
from workers.local.stack import LocalStack
from workers.local.stack.server import find_free_ports

PAUSED_SECONDS = 10
LIFE_SECONDS = 3  # of a position in the cache
READERS = 200


@asynccontextmanager
async def client(site: Site) -> AsyncIterator[redis.asyncio.Redis]:
    opened = redis.asyncio.Redis.from_url(site.stack.urls.redis)
    try:
        yield opened
    finally:
        await opened.aclose()


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["killed", "flushed", "paused 10 s"])
async def test_readers_go_to_sql_and_hear_nothing_stale_afterwards(
    site: Site, stack: LocalStack, rows: list[Row], fault: str
) -> None:
    for _ in range(1 if fault == "paused 10 s" else 3):
        if fault == "killed":
            await asyncio.to_thread(stack.kill_server, "redis")
            await asyncio.sleep(1)
            await site.restart("redis")
        else:
            async with client(site) as server:
                if fault == "flushed":
                    await server.flushall()
                else:
                    await server.client_pause(PAUSED_SECONDS * 1000)
                    await asyncio.sleep(PAUSED_SECONDS)
        await site.recovered()
    assert set(site.traffic.reads) == {200}
    rows.append(await site.outcome(f"13 Redis {fault}"))


@pytest.mark.slow
async def test_a_lost_event_is_stale_for_the_time_to_live_at_most(
    make_site: OpenSite, rows: list[Row]
) -> None:
    async with make_site(cache_seconds=LIFE_SECONDS, fail_point="unannounced") as site:
        site.start("api", "worker")
        await site.ready()
        site.traffic.start()
        await site.flowing(20)
        await site.recovered()
        rows.append(
            await site.outcome(
                f"14 every event lost (time to live {LIFE_SECONDS} s)", stale=LIFE_SECONDS + 1.5
            )
        )


async def test_a_stampede_computes_an_insight_twice_at_most(
    make_site: OpenSite, rows: list[Row]
) -> None:
    (port,) = find_free_ports(1)
    async with make_site(api_metrics_port=port) as site:
        # Given two processes of the API and a feed
        site.start("api-1", "api-2", "worker")
        await site.ready()
        await site.traffic.push(site.traffic.fresh(2_000))
        await site.ledger.drained()
        user = site.ledger.users[0]
        # When the cache is empty and many ask for the same
        async with client(site) as server:
            await server.flushall()
        before = await asyncio.to_thread(computed, port)
        reports = await asyncio.gather(*[site.traffic.insight(user) for _ in range(READERS)])
        # Then it was computed once by each process
        assert await asyncio.to_thread(computed, port) - before <= 2
        assert all(answer == reports[0] for answer in reports)
        await asyncio.gather(site.recovered(), site.traffic.push(site.traffic.fresh(10)))
        rows.append(await site.outcome("15 stampede of 200 readers"))


def computed(port: int) -> int:
    """Insights that were computed, by all processes whose metrics begin at this port."""
    total = 0
    for offset in range(2):
        address = f"http://127.0.0.1:{port + offset}/metrics"
        with urllib.request.urlopen(address, timeout=10) as answer:
            text = answer.read().decode()
        for value in re.findall(
            r'spendline_cache_lookups_total{kind="answer",result="miss"} (\S+)', text
        ):
            total += int(float(value))
    return total
