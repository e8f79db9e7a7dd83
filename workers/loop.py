"""The event loop of a worker process."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from threading import Thread
from typing import Any, TypeVar

import uvloop

T = TypeVar("T")


class LoopThread:
    """A daemon thread with a uvloop, in which worker threads run their I/O."""

    def __init__(self) -> None:
        self._loop = uvloop.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever, name="loop", daemon=True)
        self._thread.start()

    def is_alive(self) -> bool:
        """Whether the thread still runs."""
        return self._thread.is_alive()

    def run_coroutine(self, work: Coroutine[Any, Any, T]) -> T:
        """Wait for the result of `work`, which limits its own time."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def start_task(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` in the background until it or the process ends."""
        asyncio.run_coroutine_threadsafe(work, self._loop)
