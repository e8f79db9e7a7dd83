"""What work costs beyond what the same processes spend when nobody asks anything of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

_QUIET_CORES: Final = 0.05  # less than this, and nothing happens
_QUIET_TRIES: Final = 30  # of one second each
_IDLE_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment of time.monotonic(), and the CPU seconds until then by kind of process."""

    at: float
    cpu: dict[str, float]


class Meter:
    """Reads `cpu`: CPU seconds so far by kind of process, nothing of a system that is not ours."""

    def __init__(self, cpu: Callable[[], dict[str, float]]) -> None:
        self._cpu = cpu

    def take_mark(self) -> Mark:
        return Mark(time.monotonic(), self._cpu())

    async def measure_idle(self) -> dict[str, float]:
        """The cores that doing nothing takes, by kind; none when something happens all the time."""
        for _ in range(_QUIET_TRIES):
            if sum((await self._cores(1.0)).values()) < _QUIET_CORES:
                return await self._cores(_IDLE_SECONDS)
        return {}

    async def _cores(self, seconds: float) -> dict[str, float]:
        since = self.take_mark()
        await asyncio.sleep(seconds)
        until = self.take_mark()
        spent = subtract_idle(since, until, {})
        return {kind: busy / (until.at - since.at) for kind, busy in spent.items()}


def subtract_idle(since: Mark, until: Mark, idle: Mapping[str, float]) -> dict[str, float]:
    """CPU seconds by kind, without those that `idle` cores had spent anyhow; never below 0."""
    seconds = until.at - since.at
    return {
        kind: max(0.0, spent - since.cpu[kind] - idle.get(kind, 0.0) * seconds)
        for kind, spent in until.cpu.items()
    }
