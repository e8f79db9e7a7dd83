"""The links to the servers are slow, reset, swallow everything, close late; the clock is wrong."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.faults.conftest import OpenSite
from tests.faults.report import Row
from tests.faults.site import Site
from tests.support.link import Link
from workers.local.stack import LocalStack, ServerUrls

LATENCY = 0.2  # seconds, each way
HOLE_SECONDS = 8
RESETS = 5
CLOCK_HOURS = 2
FAKETIME = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)


async def be_slow(link: Link) -> None:
    link.latency = LATENCY
    await asyncio.sleep(3)


async def reset(link: Link) -> None:
    for _ in range(RESETS):
        link.cut()
        await asyncio.sleep(0.3)


async def swallow(link: Link) -> None:
    link.black_hole = True
    await asyncio.sleep(HOLE_SECONDS)


async def close_late(link: Link) -> None:
    link.slow_close = 2
    link.cut()
    await asyncio.sleep(1)


FAULTS = {"latency": be_slow, "reset": reset, "black hole": swallow, "slow close": close_late}


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_bad_link_to_any_server_is_safe(
    make_site: OpenSite, stack: LocalStack, rows: list[Row], fault: str
) -> None:
    async with AsyncExitStack() as open_links:
        links = [await open_links.enter_async_context(Link(u).listening()) for u in stack.urls]
        urls = ServerUrls(*(link.url for link in links))
        site = await open_links.enter_async_context(
            make_site(urls=urls, write_seconds=3.0, read_seconds=2.0, confirm_seconds=3.0)
        )
        site.start("api", "worker")
        await site.ready()
        site.traffic.start()
        for link in links:
            await site.flowing(3)
            await FAULTS[fault](link)
            link.heal()
            await site.recovered()
        rows.append(await site.outcome(f"16 {fault} on each link"))


@pytest.mark.slow
@pytest.mark.skipif(FAKETIME is None, reason="libfaketime is not installed: apt install faketime")
@pytest.mark.parametrize("direction", ["+", "-"])
async def test_processes_whose_clock_is_two_hours_off_make_nothing_wrong(
    make_site: OpenSite, rows: list[Row], monkeypatch: pytest.MonkeyPatch, direction: str
) -> None:
    async with make_site() as site:
        # Given one API and one worker in another time
        monkeypatch.setenv("LD_PRELOAD", str(FAKETIME))
        monkeypatch.setenv("FAKETIME", f"{direction}{CLOCK_HOURS}h")
        monkeypatch.setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1")
        site.start("api", "worker-1")
        monkeypatch.undo()
        site.start("worker-2")
        await site.ready()
        site.traffic.start()
        await site.flowing(20)
        await site.recovered()
        # Then all was accepted in PostgreSQL's time, and no ledger row is forgotten too soon
        earliest, latest = await accepted_between(site)
        now = datetime.now(UTC)
        assert now - timedelta(minutes=5) < earliest <= latest < now + timedelta(seconds=1)
        rows.append(await site.outcome(f"19 clock {direction}{CLOCK_HOURS} h"))


async def accepted_between(site: Site) -> tuple[datetime, datetime]:
    times = await site.pool.fetchrow("SELECT min(accepted_at), max(accepted_at) FROM transactions")
    return times[0], times[1]
