"""Background work goes on after every failure, and ends when it is cancelled."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable

import pytest

from pipeline import supervise
from pipeline.supervise import keep_running, raise_lost_connections


class Work:
    """Ends each run with the next of `ends`, None being a normal end, and then runs for ever."""

    def __init__(self, ends: Iterable[BaseException | None]) -> None:
        self._ends = iter(ends)
        self.settled = asyncio.Event()

    async def __call__(self) -> None:
        for end in self._ends:
            if end is None:
                return
            raise end
        self.settled.set()
        await asyncio.Event().wait()


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses that were made, none of which takes time."""
    made: list[float] = []

    async def sleep(seconds: float) -> None:
        made.append(seconds)

    monkeypatch.setattr(supervise.asyncio, "sleep", sleep)
    return made


async def run_until_settled(work: Work, **options: float) -> None:
    task = asyncio.ensure_future(keep_running("the work", work, **options))
    async with asyncio.timeout(5):
        await work.settled.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    "error",
    [
        OSError(),
        RuntimeError("unable to perform operation on <TCPTransport closed=True>"),
        asyncio.CancelledError(),
        TimeoutError(),
    ],
)
@pytest.mark.usefixtures("pauses")
async def test_work_that_fails_is_run_again(error: BaseException) -> None:
    await run_until_settled(Work([error, error]))


async def test_pauses_grow_with_jitter_up_to_the_longest(pauses: list[float]) -> None:
    # When the work fails again and again
    await run_until_settled(Work([OSError()] * 9), longest_pause=2.0)
    # Then each pause is between half of its bound and its bound
    bounds = [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, 2.0, 2.0]
    assert all(b / 2 <= pause <= b for b, pause in zip(bounds, pauses, strict=True))


async def test_a_normal_end_pauses_for_the_interval_and_starts_the_pauses_anew(
    pauses: list[float],
) -> None:
    await run_until_settled(Work([OSError(), OSError(), None, OSError()]), every=30.0)
    assert pauses[2] == 30.0
    assert pauses[3] <= 0.1


async def test_a_long_run_starts_the_pauses_anew(
    pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given a clock by which every run takes more than three times the longest pause
    times = iter(range(0, 1_000, 16))
    monkeypatch.setattr(supervise, "monotonic", lambda: next(times))
    # When the work fails three times
    await run_until_settled(Work([OSError()] * 3), longest_pause=5.0)
    # Then no pause is longer than the first
    assert max(pauses) <= 0.1


@pytest.mark.usefixtures("pauses")
async def test_failures_in_a_row_are_one_warning_without_the_words_of_the_error(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG, "pipeline.supervise")
    await run_until_settled(Work([OSError("SECRET SHOP")] * 3))
    levels = [record.levelno for record in caplog.records]
    assert levels == [logging.WARNING, logging.DEBUG, logging.DEBUG]
    assert "the work failed, trying again: OSError" in caplog.text
    assert "SECRET" not in caplog.text


async def test_a_cancellation_that_a_library_turns_into_an_error_still_ends_the_work() -> None:
    # Given work that answers its cancellation with an error
    started = asyncio.Event()

    async def work() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise OSError from None

    task = asyncio.ensure_future(keep_running("the work", work))
    await started.wait()
    # When it is cancelled
    task.cancel()
    # Then it ends
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(5):
            await task


async def test_a_cancellation_that_nobody_requested_is_a_lost_connection() -> None:
    with pytest.raises(ConnectionError), raise_lost_connections():
        raise asyncio.CancelledError
