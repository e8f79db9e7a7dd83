"""Background work that must not end: it is run again after every failure until it is cancelled.

A connection that dies may cancel the tasks that wait on it. An event loop may raise RuntimeError
for a write to a closed transport. Neither may end the work.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Awaitable, Callable, Iterator
from time import monotonic
from typing import Final

logger = logging.getLogger(__name__)

_FIRST_PAUSE: Final = 0.1  # seconds
_LONGEST_PAUSE: Final = 5.0
_STEADY_FACTOR: Final = 3  # a failure that is a time-out of a few seconds is not a steady run


async def keep_running(
    name: str,
    work: Callable[[], Awaitable[None]],
    *,
    every: float = 0.0,
    longest_pause: float = _LONGEST_PAUSE,
) -> None:
    """Run `work` until this task is cancelled, again `every` seconds after each normal end.

    After a failure the pause doubles up to `longest_pause` seconds, with jitter. A run that lasts
    three times as long starts the pauses anew. The first failure in a row is logged as a warning.
    """
    pause = _FIRST_PAUSE
    while True:
        started = monotonic()
        error = await _run_once(work)
        if error is None:
            pause = _FIRST_PAUSE
            await asyncio.sleep(every)
            continue
        if monotonic() - started > _STEADY_FACTOR * longest_pause:
            pause = _FIRST_PAUSE
        level = logging.WARNING if pause == _FIRST_PAUSE else logging.DEBUG
        logger.log(level, "%s failed, trying again: %s", name, type(error).__name__)
        await asyncio.sleep(random.uniform(pause / 2, pause))  # noqa: S311 - spreads load
        pause = min(2 * pause, longest_pause)


@contextlib.contextmanager
def raise_lost_connections() -> Iterator[None]:
    """Raise ConnectionError for a cancellation that a dying connection caused.

    A cancellation that was requested of the current task passes as it is.
    """
    try:
        yield
    except asyncio.CancelledError:
        if _is_cancelled():
            raise
        raise ConnectionError from None


async def _run_once(work: Callable[[], Awaitable[None]]) -> Exception | None:
    """Return the error that ended `work`; None after a normal end."""
    try:
        with raise_lost_connections():
            await work()
    except Exception as error:
        if _is_cancelled():  # a library may turn the cancellation into an error of its own
            raise asyncio.CancelledError from error
        return error
    return None


def _is_cancelled() -> bool:
    """Return whether somebody requested the end of the current task."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
