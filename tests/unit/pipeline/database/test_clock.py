"""The clock is measured again and again, and never while its process is still busy with its start."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from pipeline.database import clock as module
from pipeline.database.clock import Clock


async def test_each_measure_comes_after_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    # Given a pool that notes each measure, and pauses that are noted and take no time
    events: list[str] = []

    class Pool:
        async def fetchval(self, _: str) -> float:
            events.append("measure")
            if len(events) >= 4:
                raise asyncio.CancelledError
            return 0.0

    async def sleep(_: float) -> None:
        events.append("pause")

    class Module:
        def __getattr__(self, name: str) -> Any:
            return sleep if name == "sleep" else getattr(asyncio, name)

    monkeypatch.setattr(module, "asyncio", Module())
    # When the clock is kept until its task is cancelled
    keeping = asyncio.ensure_future(Clock().keep_synchronized(Pool()))
    async with asyncio.timeout(5):
        while len(events) < 4:  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(0)
    keeping.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await keeping
    # Then a pause is before each measure
    assert events[:4] == ["pause", "measure", "pause", "measure"]
