"""What a worker says and notices about the chunks it works on."""

from __future__ import annotations

import threading

import pytest

from pipeline.errors import StoreUnavailable
from workers.actors import Defect, Stopwatch, guarded


def test_a_defect_tells_its_kind_and_place_but_none_of_its_words() -> None:
    def work() -> None:
        raise ValueError("TESCO STORES 3144, -4.50")

    with pytest.raises(
        Defect, match=r"^ValueError at test_actors.py:\d+ < actors.py:\d+$"
    ) as raised:
        guarded(work)
    assert raised.value.__context__ is None
    assert raised.value.__cause__ is None


def test_an_error_of_ours_passes_as_it_is() -> None:
    def work() -> None:
        raise StoreUnavailable("away")

    with pytest.raises(StoreUnavailable):
        guarded(work)


def test_the_stopwatch_shows_the_oldest_chunk_in_work() -> None:
    # Given a thread at work
    stopwatch = Stopwatch()
    begun, done = threading.Event(), threading.Event()

    def work() -> None:
        with stopwatch:
            begun.set()
            done.wait(10)

    thread = threading.Thread(target=work)
    assert stopwatch.longest() == 0
    thread.start()
    begun.wait(10)
    # When others look
    with stopwatch:
        # Then they see how long it has been at it
        assert 0 < stopwatch.longest() < 10
    done.set()
    thread.join()
    assert stopwatch.longest() == 0
