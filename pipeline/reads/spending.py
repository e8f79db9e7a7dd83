"""Sums over a user's feed: in total, and by category, merchant, account and day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final
from uuid import UUID

import asyncpg

from pipeline.reads.source import ReadSource

# Bits of grouping(category, merchant_key, account_id, booked_on): 0 where grouped by it.
_GROUP_NAMES: Final = {
    0b1111: "currency",
    0b0111: "category",
    0b1011: "merchant",
    0b1101: "account",
    0b1110: "day",
}


@dataclass(frozen=True, slots=True)
class SpendingSums:
    """Sums in minor units, one row a currency and group, and the feed's position.

    The keys of `groups` are `currency`, `category`, `merchant`, `account` and `day`.
    """

    position: int
    groups: dict[str, list[asyncpg.Record]]


async def read_spending(
    source: ReadSource, user_id: UUID, first: date, last: date, *, at: int | None = None
) -> SpendingSums | None:
    """Sums from `first` to `last`, both included; None when there is no such user.

    A replica may answer when `at` is the feed's position. Raises StoreUnavailable.
    """
    records = await source.fetch_rows_at(at, "spending", user_id, first, last)
    if not records:
        return None
    groups: dict[str, list[asyncpg.Record]] = {name: [] for name in _GROUP_NAMES.values()}
    for record in records:
        if record["grouped"] is not None:
            groups[_GROUP_NAMES[record["grouped"]]].append(record)
    return SpendingSums(records[0]["feed_position"], groups)
