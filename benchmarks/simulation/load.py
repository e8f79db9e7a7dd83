"""One load, measured: people with a history live their days, and what that took."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import uuid4

import numpy as np

from benchmarks.simulation.drive import HISTORY_DAYS, Crowd, Seen
from benchmarks.simulation.meter import Meter, subtract_idle
from benchmarks.simulation.population import Plan, draw_appetites, draw_schedule
from client import Client, Exchange

SEED: Final = 23
_LATE: Final = 500.0  # milliseconds; later than that, the load was not the one that was meant

Progress = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """The system that loads are put on, and how it is watched; `size` is of its database, bytes."""

    open_client: Callable[[Callable[[Exchange], None]], Client]
    meter: Meter
    size: Callable[[], Awaitable[int]]
    descriptors: Sequence[str]
    progress: Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What was pushed before the days, and cost: CPU seconds above idle by kind, bytes on disk."""

    transactions: int
    cpu_s: dict[str, float]
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What was seen of a user base; CPU is by kind of process and above idle, latency from due on."""

    users: int
    people: int
    days: int
    wall_s: float
    pushes_per_s: float
    reads_per_s: float
    transactions: int
    lost: int
    errors: int
    hit_rate: float
    post_ms: dict[str, float]
    visible_ms: dict[str, float]
    read_ms: dict[str, float]
    late_ms: dict[str, float]
    idle_cores: dict[str, float]
    cpu_s: dict[str, float]
    history: History

    @property
    def busy_cores(self) -> float:
        return sum(self.cpu_s.values()) / self.wall_s

    @property
    def held(self) -> bool:
        """Whether the machine kept up, and with it the clients that run on it."""
        return self.errors == self.lost == 0 and self.late_ms["p99"] < _LATE

    def to_dict(self) -> dict[str, Any]:
        return asdict(self) | {"busy_cores": round(self.busy_cores, 3), "held": self.held}


async def measure_load(ground: Ground, plan: Plan) -> Load:
    """Register people, push their history, wait until nothing happens, and live the days."""
    first = datetime.now(UTC).date() - timedelta(days=plan.days - 1)
    seen = Seen()
    async with ground.open_client(seen.observe) as client:
        crowd = Crowd(client, seen, ground.descriptors, first)
        await crowd.register_people(plan.people, f"simulated-{uuid4().hex[:8]}")
        history, idle = await _push_history(ground, crowd)
        events = draw_schedule(plan.people, plan.days, SEED)
        since = ground.meter.take_mark()
        with ground.progress(f"{plan.users:,} users: pushed and opened", len(events)) as done:
            await crowd.live_days(events, plan.speed, time.monotonic(), done)
        until = ground.meter.take_mark()
    return Load(
        users=plan.users,
        people=plan.people,
        days=plan.days,
        wall_s=round(until.at - since.at, 1),
        idle_cores=_rounded(idle),
        cpu_s=_rounded(subtract_idle(since, until, idle)),
        history=history,
        **summarize_seen(seen, until.at - since.at),
    )


async def _push_history(ground: Ground, crowd: Crowd) -> tuple[History, dict[str, float]]:
    """The history of all people, and the cores that are busy when nothing happens after it."""
    habits = draw_appetites(len(crowd.people), np.random.default_rng(SEED))
    rows = np.maximum(1, np.rint(habits * HISTORY_DAYS)).astype(int).tolist()
    since, size = ground.meter.take_mark(), await ground.size()
    with ground.progress("remembered", sum(rows)) as done:
        await crowd.push_history(rows, done)
    idle = await ground.meter.measure_idle()
    until, size = ground.meter.take_mark(), await ground.size() - size
    cost = _rounded(subtract_idle(since, until, idle))
    return History(transactions=sum(rows), cpu_s=cost, bytes=size), idle


def summarize_seen(seen: Seen, wall: float) -> dict[str, Any]:
    """What the clients saw in `wall` seconds; latencies in milliseconds."""
    return {
        "pushes_per_s": round(seen.pushes / wall, 2),
        "reads_per_s": round(seen.reads / wall, 2),
        "transactions": seen.pushed,
        "lost": seen.pushed - seen.stored,
        "errors": seen.errors,
        "hit_rate": round(seen.hits / max(1, seen.reads), 3),
        "post_ms": _quantiles(seen.post),
        "visible_ms": _quantiles(seen.visible),
        "read_ms": _quantiles(seen.read),
        "late_ms": _quantiles(seen.late),
    }


def _quantiles(seconds: Sequence[float]) -> dict[str, float]:
    points = np.quantile(seconds, [0.5, 0.99]) * 1_000 if seconds else np.zeros(2)
    return dict(zip(("p50", "p99"), points.round(1).tolist(), strict=True))


def _rounded(parts: dict[str, float]) -> dict[str, float]:
    return {kind: round(value, 3) for kind, value in parts.items()}
