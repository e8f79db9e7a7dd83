"""When a worker process finds itself unfit to go on."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from workers.actors import Stopwatch
from workers.app import describe_failure


def thread(*, alive: bool = True) -> Any:
    return SimpleNamespace(is_alive=lambda: alive)


def process(*, worker: bool = True, consumer: bool = True, loop: bool = True) -> tuple[Any, Any]:
    threads = SimpleNamespace(
        workers=[thread(), thread(alive=worker)], consumers={"queue": thread(alive=consumer)}
    )
    return threads, SimpleNamespace(loop=thread(alive=loop))


def test_a_process_whose_threads_live_goes_on() -> None:
    assert describe_failure(*process(), Stopwatch(), longest=1) is None


@pytest.mark.parametrize("dead", ["worker", "consumer", "loop"])
def test_a_process_that_lost_a_thread_ends(dead: str) -> None:
    assert describe_failure(*process(**{dead: False}), Stopwatch(), longest=1) == "a thread died"


def test_a_process_whose_chunk_does_not_end_ends() -> None:
    stopwatch = Stopwatch()
    with stopwatch:
        assert describe_failure(*process(), stopwatch, longest=0) == "a chunk does not end"
