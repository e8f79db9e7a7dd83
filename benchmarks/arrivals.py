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


async def arrive(
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


def quantiles(seconds: list[float]) -> dict[str, Any]:
    """p50, p99, p99.9 and the worst, in milliseconds."""
    points = np.quantile(seconds, [0.5, 0.99, 0.999, 1.0]) * 1000
    names = ("p50_ms", "p99_ms", "p999_ms", "max_ms")
    return dict(zip(names, points.round(1).tolist(), strict=True)) | {"count": len(seconds)}
