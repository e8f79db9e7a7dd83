"""Latency against load: POST to 202, POST to visible in the feed, POST to right insight.

    python -m benchmarks.latency [--seconds N] [--batch N] [--json]

The ceiling is measured first, closed loop; then requests arrive open loop at some shares of it.
The generator is this process, which shares the cores with the system. The result says how late it
sends and how much of a core it takes. Latencies count from the moment a request was due.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import UUID

import uvloop

from benchmarks.harness.arrivals import compute_quantiles, send_on_schedule
from benchmarks.harness.bank_feed import BankFeed, open_card_accounts, open_feed
from benchmarks.harness.flood import flood_feed
from benchmarks.harness.machine import describe_origin
from benchmarks.harness.progress import Step, show_steps
from benchmarks.harness.report import parse_arguments, publish_result
from benchmarks.harness.running import Running, start_system, vacuum_database
from benchmarks.harness.workload import build_bodies, generate_purchases

SEED = 11
_LEVELS = (0.1, 0.25, 0.5, 0.65, 0.8, 0.9)
_CEILING_SECONDS = 10.0
_FIRST_ROWS = 20_000
_INSIGHT_EVERY = 10  # every so many requests the insight is read as well


@dataclass(slots=True)
class Timings:
    """Seconds since each request was due."""

    late: list[float] = field(default_factory=list)  # until it was sent
    post: list[float] = field(default_factory=list)
    visible: list[float] = field(default_factory=list)
    insight: list[float] = field(default_factory=list)
    errors: int = 0

    def to_dict(self) -> dict[str, Any]:
        return {
            name: compute_quantiles(getattr(self, name)) for name in ("post", "visible", "insight")
        } | {
            "generator_late": compute_quantiles(self.late),
            "errors": self.errors,
        }


@dataclass(slots=True)
class Requests:
    """Ready bodies, and the user and month whose insight shows each."""

    feed: BankFeed
    bodies: list[bytes]
    probes: list[tuple[UUID, str]]

    async def send_one(self, timings: Timings, number: int, due: float) -> None:
        try:
            timings.late.append(time.perf_counter() - due)
            ingest_id = await self.feed.push(self.bodies[number])
            timings.post.append(time.perf_counter() - due)
            receipt = await self.feed.wait_for_receipt(ingest_id)
            timings.visible.append(time.perf_counter() - due)
            if number % _INSIGHT_EVERY == 0:
                await self._read_insight(self.probes[number], receipt.positions)
                timings.insight.append(time.perf_counter() - due)
        except Exception:  # noqa: BLE001 - whatever went wrong is an error of the system
            timings.errors += 1

    async def _read_insight(self, probe: tuple[UUID, str], positions: Mapping[UUID, int]) -> None:
        """Read the insight until it reflects the position of the receipt."""
        user, month = probe
        position = -1
        while position < positions[user]:
            position = (await self.feed.client.get_spending(user, month=month)).position


async def _prepared(feed: BankFeed, requests: int, batch: int, label: str) -> Requests:
    load = generate_purchases(requests * batch, seed=SEED, label=label)
    accounts = await open_card_accounts(feed.client, load)
    probes = [(accounts[p.card].user_id, p.date[:7]) for p in load[::batch]]
    return Requests(feed, build_bodies(load, accounts, batch), probes)


async def _ceiling(feed: BankFeed, batch: int) -> float:
    """Requests a second, closed loop, over some seconds; a first short run says how many those are."""
    rate = 0.0
    requests = _FIRST_ROWS // batch
    for label in ("first-", "ceiling-"):
        load = await _prepared(feed, requests, batch, label)
        elapsed, _ = await flood_feed(feed, load.bodies, batch)
        rate = len(load.bodies) / elapsed
        requests = int(rate * _CEILING_SECONDS)
    return rate


async def _level(feed: BankFeed, rate: float, seconds: int, batch: int) -> dict[str, Any]:
    load = await _prepared(feed, int(rate * seconds * 1.2) + 50, batch, f"{rate:.1f}-")
    timings = Timings()
    with _undisturbed():
        began, spent = time.perf_counter(), time.process_time()
        sent = await send_on_schedule(rate, seconds, partial(load.send_one, timings), seed=SEED)
        elapsed, spent = time.perf_counter() - began, time.process_time() - spent
    return {
        "offered_tx_per_s": round(sent * batch / seconds),
        "tx_per_s": round(len(timings.visible) * batch / elapsed),
        **timings.to_dict(),
        "generator_cores": round(spent / elapsed, 2),
    }


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Turn garbage collection off, because its pauses are the generator's and not the system's."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


async def _measure(target: Running, seconds: int, batch: int, step: Step) -> dict[str, Any]:
    async with open_feed(target.settings) as feed:
        step("the ceiling")
        ceiling = await _ceiling(feed, batch)
        levels = {}
        for share in _LEVELS:
            step(f"{share:.0%} of the ceiling, {ceiling * share * batch:,.0f} transactions/s")
            await vacuum_database(target.settings)
            levels[f"{share:.0%}"] = await _level(feed, ceiling * share, seconds, batch)
    half = levels["50%"]
    return {
        "ceiling_tx_per_s": round(ceiling * batch),
        "batch": batch,
        "at_half_load": {
            "post_p99_by_p50": _spread(half["post"]),
            "visible_p99_ms": half["visible"]["p99_ms"],
            "errors": half["errors"],
        },
        "levels": levels,
    }


def _spread(post: dict[str, Any]) -> float | None:
    p50, p99 = post["p50_ms"], post["p99_ms"]
    return round(p99 / p50, 2) if p50 and p99 else None


def main() -> None:
    options = parse_arguments(__doc__, seconds=15, batch=50)
    origin = describe_origin(SEED)
    with show_steps("latency", 2 + len(_LEVELS)) as step:
        step("starting a system")
        with start_system() as target:
            result = uvloop.run(_measure(target, options.seconds, options.batch, step))
    publish_result("latency", result | origin | {"servers": target.versions}, options)


if __name__ == "__main__":
    main()
