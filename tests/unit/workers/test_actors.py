"""What a worker notices about the chunks it works on."""

from __future__ import annotations

import threading

from workers.actors import Stopwatch


def test_the_stopwatch_shows_the_oldest_chunk_in_work() -> None:
    # Given a thread at work
    stopwatch = Stopwatch()
    begun, done = threading.Event(), threading.Event()

    def work() -> None:
        with stopwatch:
            begun.set()
            done.wait(10)

    thread = threading.Thread(target=work)
    assert stopwatch.measure_longest() == 0
    thread.start()
    begun.wait(10)
    # When others look
    with stopwatch:
        # Then they see how long it has been at it
        assert 0 < stopwatch.measure_longest() < 10
    done.set()
    thread.join()
    assert stopwatch.measure_longest() == 0
