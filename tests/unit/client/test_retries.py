"""How long the client waits before it tries again, and when it gives up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from client.retries import NO_RETRIES, Retries, read_retry_after


def test_pauses_double_with_jitter_up_to_the_longest() -> None:
    retries = Retries(tries=100, first_pause=1.0, longest_pause=4.0)
    for failures, whole in ((1, 1.0), (2, 2.0), (3, 4.0), (4, 4.0), (90, 4.0)):
        pauses = {retries.choose_pause(failures, 0.0, None) for _ in range(50)}
        assert len(pauses) > 1
        assert all(pause is not None and whole / 2 <= pause <= whole for pause in pauses)


def test_tries_are_bounded() -> None:
    retries = Retries(tries=3)
    assert retries.choose_pause(2, 0.0, None) is not None
    assert retries.choose_pause(3, 0.0, None) is None
    assert NO_RETRIES.choose_pause(1, 0.0, None) is None


def test_no_try_begins_after_the_time_is_over() -> None:
    retries = Retries(tries=10_000, seconds=10.0, first_pause=1.0, longest_pause=1.0)
    assert retries.choose_pause(1, 9.0, None) is not None
    assert retries.choose_pause(1, 9.6, None) is None
    assert retries.choose_pause(9_000, 0.0, None) is not None


def test_what_the_api_asks_for_comes_before_the_own_pause() -> None:
    retries = Retries(first_pause=1.0)
    pause = retries.choose_pause(1, 0.0, 7.0)
    assert pause is not None
    assert 7.5 <= pause <= 8.0
    assert retries.choose_pause(1, 0.0, 120.0) is None


@pytest.mark.parametrize(
    ("text", "seconds"), [(None, None), ("0", 0.0), ("17", 17.0), ("soon", None), ("-1", None)]
)
def test_retry_after_is_read_as_seconds(text: str | None, seconds: float | None) -> None:
    assert read_retry_after(text) == seconds


def test_retry_after_is_read_as_a_date() -> None:
    now = datetime.now(UTC)
    later = read_retry_after(format_datetime(now + timedelta(hours=1), usegmt=True))
    assert later is not None
    assert 3000 < later <= 3600
    assert read_retry_after(format_datetime(now - timedelta(hours=1), usegmt=True)) == 0.0
