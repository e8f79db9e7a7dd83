"""Closed-loop load: new users' rows as fast as the system takes them, and what they cost it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.harness.bank_feed import BankFeed, open_card_accounts
from benchmarks.harness.running import Running
from benchmarks.harness.workload import Purchase, build_bodies
from client import PushReceipt

_ROWS_ON_THEIR_WAY = 64_000
_FEWEST, _MOST = 32, 256  # batches that wait for their receipts
_POSTS = 4  # one request on its way for so many batches that wait


@dataclass(frozen=True, slots=True, kw_only=True)
class PushCost:
    """Of `rows` transactions in batches of `batch`; CPU seconds by kind of process."""

    rows: int
    batch: int
    users: int
    seconds: float
    receipts: dict[str, int]
    cpu: dict[str, float]

    @property
    def per_second(self) -> float:
        return self.rows / self.seconds

    @property
    def cpu_us(self) -> float:
        """Microseconds of CPU per transaction, over all processes."""
        return sum(self.cpu.values()) / self.rows * 1e6

    def to_dict(self) -> dict[str, Any]:
        return {
            "rows": self.rows,
            "batch": self.batch,
            "users": self.users,
            "seconds": round(self.seconds, 3),
            "tx_per_s": round(self.per_second),
            "us_per_tx": round(self.seconds / self.rows * 1e6, 1),
            "cpu_us_per_tx": round(self.cpu_us, 1),
        }


async def flood_feed(
    feed: BankFeed, load: Sequence[bytes], batch: int
) -> tuple[float, dict[str, int]]:
    """Push bodies of `batch` rows, wait for all receipts; seconds, and the sum of the receipts.

    Readers who wait look again each second, so only so many batches wait at a time.
    """
    waiting = min(_MOST, max(_FEWEST, _ROWS_ON_THEIR_WAY // batch))
    window, posts = asyncio.Semaphore(waiting), asyncio.Semaphore(waiting // _POSTS)

    async def push(body: bytes) -> PushReceipt:
        async with window:
            async with posts:
                ingest_id = await feed.push(body)
            return await feed.wait_for_receipt(ingest_id)

    began = time.perf_counter()
    receipts = await asyncio.gather(*(push(body) for body in load))
    seconds = time.perf_counter() - began
    if any(receipt.status != "stored" for receipt in receipts):
        raise RuntimeError("an ingest failed")
    names = ("added", "modified", "unchanged")
    return seconds, {name: sum(getattr(receipt, name) for receipt in receipts) for name in names}


async def measure_cost(
    target: Running, feed: BankFeed, load: list[Purchase], batch: int
) -> PushCost:
    """What it costs to push the load of new users."""
    accounts = await open_card_accounts(feed.client, load)
    ready = build_bodies(load, accounts, batch)
    before = target.read_cpu()
    seconds, receipts = await flood_feed(feed, ready, batch)
    return PushCost(
        rows=len(load),
        batch=batch,
        users=len(accounts),
        seconds=seconds,
        receipts=receipts,
        cpu={kind: spent - before[kind] for kind, spent in target.read_cpu().items()},
    )
