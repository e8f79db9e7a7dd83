"""Coroutines that run at the same time, up to a bound."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable
from typing import TypeVar

T = TypeVar("T")


async def gather_bounded(work: Iterable[Awaitable[T]], at_once: int) -> list[T]:
    """The results in order; at most `at_once` awaitables run at the same time."""
    slots = asyncio.Semaphore(at_once)

    async def run(awaitable: Awaitable[T]) -> T:
        async with slots:
            return await awaitable

    return await asyncio.gather(*map(run, work))
