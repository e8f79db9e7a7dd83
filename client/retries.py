"""Retries come after exponential pauses with jitter, bounded in number and in time."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

_MOST_DOUBLINGS: Final = 30  # keeps the product finite for any number of tries


@dataclass(frozen=True, slots=True, kw_only=True)
class Retries:
    """A request is tried up to `tries` times, and not later than `seconds` after its first try.

    Pauses double from `first_pause` to `longest_pause` seconds and are shortened by up to half at
    random. The pause that the API asks for (`Retry-After`) is added.
    """

    tries: int = 5
    seconds: float = 60.0
    first_pause: float = 0.2
    longest_pause: float = 10.0

    def choose_pause(self, failures: int, spent: float, retry_after: float | None) -> float | None:
        """Choose the seconds until the next try, after `failures` tries in `spent` seconds.

        None means to give up.
        """
        if failures >= self.tries:
            return None
        doubled = self.first_pause * 2 ** min(failures - 1, _MOST_DOUBLINGS)
        backoff = min(self.longest_pause, doubled)
        pause = (retry_after or 0.0) + random.uniform(backoff / 2, backoff)  # noqa: S311 - spreads load
        return pause if spent + pause <= self.seconds else None


NO_RETRIES: Final = Retries(tries=1)


def read_retry_after(text: str | None) -> float | None:
    """Read the seconds of a Retry-After header, which holds seconds or a date, else None."""
    if text is None:
        return None
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
