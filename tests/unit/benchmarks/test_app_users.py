"""The counts of the apps' reads."""

from __future__ import annotations

from benchmarks.app_users import ReadCounter
from client import Exchange


def test_reads_unchanged_answers_and_hits_are_counted_until_they_are_cleared() -> None:
    # Given a counter that has seen one full answer, and one that has not changed
    counter = ReadCounter()
    counter.observe(Exchange("GET", "/v1/users", 200, 0.1, cached=False))
    counter.observe(Exchange("GET", "/v1/users", 304, 0.1, cached=True))
    assert counter.counts == {"reads": 2, "unchanged": 1, "hits": 1}
    # When it is cleared
    counter.clear()
    # Then it begins anew
    assert counter.counts == {"reads": 0, "unchanged": 0, "hits": 0}
