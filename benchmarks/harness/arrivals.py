"""Open-loop load: requests leave on schedule, whether or not earlier ones have come back.

Latencies count from the moment a request was due, so a stall is paid by everyone whom it delays.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine
from typing import Any

import numpy as np

_QUANTILES = {  # share, and of how many at least
    "p50_ms": (0.5, 1),
    "p99_ms": (0.99, 100),
    "p999_ms": (0.999, 1_000),
    "max_ms": (1.0, 1),
}


async def send_on_schedule(
    rate: float,
    seconds: float,
    act: Callable[[int, float], Coroutine[Any, Any, None]],
    *,
    seed: int,
) -> int:
    """Call `act(number, due)` at random moments (Poisson), `rate` a second; wait for all.

    `due` is the time of `time.perf_counter` at which the call was to be made. Returns how many
    calls there were.
    """
    draw = random.Random(seed)
    tasks: list[asyncio.Task[None]] = []
    due = began = time.perf_counter()
    number = 0
    while due < began + seconds:
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        tasks.append(asyncio.create_task(act(number, due)))
        due += draw.expovariate(rate)
        number += 1
    await asyncio.gather(*tasks)
    return number


def compute_quantiles(seconds: list[float]) -> dict[str, Any]:
    """p50, p99, p99.9 and the worst, in milliseconds; None where too few say nothing of it."""
    count = len(seconds)
    figures: dict[str, Any] = {
        name: round(float(np.quantile(seconds, share)) * 1000, 1) if count >= fewest else None
        for name, (share, fewest) in _QUANTILES.items()
    }
    return figures | {"count": count}
