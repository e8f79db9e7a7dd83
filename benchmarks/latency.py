"""Latency against load: POST to 202, POST to visible in the feed, POST to right insight.

    python -m benchmarks.latency [--seconds N] [--batch N] [--json]

The ceiling is measured first, closed loop; then requests arrive open loop at 10, 50 and 80 % of it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import uvloop

from benchmarks.arrivals import arrive, quantiles
from benchmarks.flood import flood
from benchmarks.machine import provenance
from benchmarks.report import arguments, publish
from benchmarks.running import Client, Running, connected, running
from benchmarks.workload import bodies, purchases

SEED = 11
_LEVELS = (0.1, 0.5, 0.8)
_CEILING_ROWS = 60_000
_INSIGHT_EVERY = 10  # every so many requests the insight is read as well


@dataclass(slots=True)
class Timings:
    """Seconds since each request was due."""

    post: list[float] = field(default_factory=list)
    visible: list[float] = field(default_factory=list)
    insight: list[float] = field(default_factory=list)
    errors: int = 0


@dataclass(slots=True)
class Load:
    """Ready bodies, and the user and month whose insight tells about each."""

    client: Client
    bodies: list[bytes]
    probes: list[tuple[str, str]]

    async def one(self, timings: Timings, number: int, due: float) -> None:
        try:
            ingest = await self.client.push(self.bodies[number])
            timings.post.append(time.perf_counter() - due)
            receipt = await self.client.stored(ingest)
            timings.visible.append(time.perf_counter() - due)
            if number % _INSIGHT_EVERY == 0:
                await self._insight(self.probes[number], receipt["positions"])
                timings.insight.append(time.perf_counter() - due)
        except Exception:  # noqa: BLE001 - whatever went wrong is an error of the system
            timings.errors += 1

    async def _insight(self, probe: tuple[str, str], positions: dict[str, int]) -> None:
        """Until the insight reflects the position of the receipt."""
        user, month = probe
        position = -1
        while position < positions[user]:
            found = await self.client.get(f"/v1/users/{user}/insights/spending?month={month}")
            position = found["position"]


async def _prepared(client: Client, requests: int, batch: int, label: str) -> Load:
    load = purchases(requests * batch, seed=SEED, label=label)
    accounts, users = await client.register(load)
    probes = [(users[p.card], p.date[:7]) for p in load[::batch]]
    return Load(client, bodies(load, accounts, batch), probes)


async def _measure(target: Running, seconds: int, batch: int) -> dict[str, Any]:
    async with connected(target.settings) as client:
        warm = await _prepared(client, _CEILING_ROWS // batch, batch, "ceiling-")
        elapsed, _ = await flood(client, warm.bodies, batch)
        ceiling = len(warm.bodies) / elapsed
        levels = {}
        for level in _LEVELS:
            rate = ceiling * level
            load = await _prepared(client, int(rate * seconds * 1.5) + 50, batch, f"{level}-")
            timings = Timings()
            await arrive(rate, seconds, partial(load.one, timings), seed=SEED)
            levels[f"{level:.0%}"] = {
                "tx_per_s": round(rate * batch),
                "post": quantiles(timings.post),
                "visible": quantiles(timings.visible),
                "insight": quantiles(timings.insight),
                "errors": timings.errors,
            }
    return {"ceiling_tx_per_s": round(ceiling * batch), "batch": batch, "levels": levels}


def main() -> None:
    given = arguments(__doc__, seconds=15, batch=50)
    with running() as target:
        result = uvloop.run(_measure(target, given.seconds, given.batch))
    publish("latency", result | provenance(SEED), as_json=given.json)


if __name__ == "__main__":
    main()
