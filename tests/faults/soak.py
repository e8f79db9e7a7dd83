"""`python -m tests.faults.soak --minutes 30`: random faults under load, and the same ledger.

Every fault is followed by a recovery and a short pause. The faults and their order follow from the
seed; when they strike does not.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import redis.asyncio

from tests.faults import report
from tests.faults.report import Row
from tests.faults.site import Site, open_site
from tests.support.link import Link
from workers.local.stack import LocalStack, ServerUrls

STALE_SECONDS = 60.0  # the time to live bounds what Redis forgot at the wrong moment
DRAIN_SECONDS = 900.0  # what failed often waits up to 10 minutes for its next try
_MEMBERS = ("api-1", "api-2", "worker-1", "worker-2")
_CLIENTS, _ROWS, _PACE = 5, 100, 0.5  # 1,000 transactions a second
_TOTAL = "all of them"


class Soak:
    """Faults of one system, chosen at random."""

    def __init__(self, site: Site, links: list[Link], chance: random.Random) -> None:
        self.site = site
        self.rows: dict[str, Row] = {}
        self._links = links
        self._chance = chance
        self._faults: dict[str, Callable[[], Awaitable[object]]] = {
            "worker killed": lambda: self._kill("worker"),
            "API killed": lambda: self._kill("api"),
            "broker crash": lambda: self._end("rabbitmq", signal.SIGKILL),
            "broker clean restart": lambda: self._end("rabbitmq", signal.SIGTERM),
            "broker frozen 5 s": lambda: self._freeze("rabbitmq"),
            "PostgreSQL crash": lambda: self._end("postgres", signal.SIGQUIT),
            "PostgreSQL frozen 5 s": lambda: self._freeze("postgres"),
            "Redis killed": lambda: self._end("redis", signal.SIGKILL),
            "Redis frozen 5 s": lambda: self._freeze("redis"),
            "Redis flushed": self._flush,
            "links reset": self._reset,
            "links black holes 5 s": self._swallow,
        }

    async def run(self, seconds: float) -> None:
        """Break things for so long."""
        end = time.monotonic() + seconds
        names: list[str] = []
        while time.monotonic() < end:
            if not names:
                names = self._chance.sample(sorted(self._faults), len(self._faults))
            await self._strike(names.pop())
            await asyncio.sleep(self._chance.uniform(1, 4))

    async def _strike(self, name: str) -> None:
        site = self.site
        accepted, site.traffic.stale = len(site.ledger.accepted), 0.0
        print(f"{name}: ", end="", flush=True)  # noqa: T201
        await self._faults[name]()
        await site.recovered()
        old = self.rows.get(name, Row(name, 0, 0, 0, 0, 0.0, 0.0))
        self.rows[name] = old._replace(
            injected=old.injected + 1,
            accepted=old.accepted + len(site.ledger.accepted) - accepted,
            stale_s=round(max(old.stale_s, site.traffic.stale), 2),
            recovery_s=round(max(old.recovery_s, site.recoveries[-1]), 2),
        )
        print(f"recovered in {site.recoveries[-1]:.1f} s", flush=True)  # noqa: T201

    async def _kill(self, kind: str) -> None:
        self.site.system.kill_process(f"{kind}-{self._chance.choice((1, 2))}")

    async def _end(self, server: str, how: signal.Signals) -> None:
        process = self.site.stack.get_process(server)
        process.send_signal(how)
        await asyncio.to_thread(process.wait_or_kill, 15)
        await asyncio.sleep(1)
        await self.site.restart(server)

    async def _freeze(self, server: str) -> None:
        with self.site.frozen(server):
            await asyncio.sleep(5)

    async def _flush(self) -> None:
        client = redis.asyncio.Redis.from_url(self.site.stack.urls.redis)
        await client.flushall()
        await client.aclose()

    async def _reset(self) -> None:
        for link in self._links:
            link.cut()

    async def _swallow(self) -> None:
        for link in self._links:
            link.black_hole = True
        await asyncio.sleep(5)
        for link in self._links:
            link.heal()


async def mend(site: Site) -> None:
    """Start again what has died, as an operator's supervisor would."""
    while True:
        site.system.restart_ended()
        await asyncio.sleep(0.2)


async def soak(minutes: float, seed: int) -> list[Row]:
    """The rows of all faults; AssertionError when anything is lost, doubled or wrong."""
    async with AsyncExitStack() as held:
        folder = Path(".spendline") / f"soak-{uuid4().hex[:8]}"
        stack = LocalStack(folder, keep=False)
        held.enter_context(stack)
        links = [await held.enter_async_context(Link(url).listening()) for url in stack.urls]
        urls = ServerUrls(*(link.url for link in links))
        logs = Path(held.enter_context(TemporaryDirectory()))
        load = {"clients": _CLIENTS, "rows": _ROWS, "pace": _PACE}
        site = await held.enter_async_context(open_site(stack, logs, urls, **load))
        site.start(*_MEMBERS)
        await site.ready()
        site.traffic.start()
        await site.flowing()
        mending = asyncio.create_task(mend(site))
        run = Soak(site, links, random.Random(seed))
        await run.run(60 * minutes)
        total = await site.outcome(_TOTAL, stale=STALE_SECONDS, drain=DRAIN_SECONDS)
        mending.cancel()
        stale = max(row.stale_s for row in run.rows.values())
        return [*run.rows.values(), total._replace(stale_s=stale)]


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--minutes", type=float, default=10)
    arguments.add_argument("--seed", type=int, default=random.randrange(1_000_000))
    options = arguments.parse_args()
    print(f"soak: {options.minutes:g} minutes, seed {options.seed}", flush=True)  # noqa: T201
    for line in report.table(asyncio.run(soak(options.minutes, options.seed))):
        print(line)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
