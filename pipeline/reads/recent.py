"""The recent months of a feed, which are read first because they nearly always hold the answer.

A statement opens every month that may hold rows. Reading the recent ones alone saves most of that
work; the caller reads all months when the recent rows do not prove to be complete.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Final

FIRST_DAY: Final = date(1, 1, 1)
LAST_DAY: Final = date(9999, 12, 31)
_RECENT_MONTHS: Final = 3


def find_recent_start(last: date) -> date:
    """The first day of the three months that end with the month of `last` or of today, if earlier."""
    until = min(last, datetime.now(UTC).date())
    month = until.year * 12 + until.month - _RECENT_MONTHS
    return date(month // 12, month % 12 + 1, 1) if month >= 12 else FIRST_DAY
