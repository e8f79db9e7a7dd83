"""Pages of a user's feed, newest transaction first, by filters and a keyset cursor."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from typing import Final
from uuid import UUID

import asyncpg
import msgspec

from pipeline.reads.recent import FIRST_DAY, LAST_DAY, find_recent_start
from pipeline.reads.source import ReadSource
from pipeline.transactions.money import CURRENCIES

_COMMON_DECIMALS: Final = 2

FeedPlace = tuple[date, UUID]  # (booked_on, id) of a row, the order of a feed
START: Final[FeedPlace] = (LAST_DAY, UUID(int=2**128 - 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedFilter:
    """Which transactions of a feed are read. None stands for all; dates are inclusive.

    Amounts are decimals in the currency of each row; `categories` are detailed codes.
    """

    first: date = FIRST_DAY
    last: date = LAST_DAY
    categories: tuple[str, ...] | None = None
    account_id: UUID | None = None
    merchant_key: str | None = None
    min_amount: Decimal | None = None
    max_amount: Decimal | None = None
    needs_review: bool | None = None


@dataclass(frozen=True, slots=True)
class FeedRows:
    """One page: rows of `transactions`, newest first, and the feed's position.

    `more` says whether rows follow that are older than the last one.
    """

    rows: list[asyncpg.Record]
    position: int
    more: bool


async def read_feed_page(
    source: ReadSource,
    user_id: UUID,
    chosen: FeedFilter,
    limit: int,
    after: FeedPlace | None = None,
    *,
    at: int | None = None,
) -> FeedRows | None:
    """Up to `limit` rows below the place `after`; None when there is no such user.

    A replica may answer when `at` is the feed's position. Raises StoreUnavailable.
    """
    start = find_recent_start(min(chosen.last, after[0] if after else LAST_DAY))
    if start > chosen.first:
        recent = replace(chosen, first=start)
        page = await _read_page(source, user_id, recent, limit, after, at=at)
        # Each position belongs to one row, so as many rows as positions are the whole feed.
        if page is None or page.more or len(page.rows) == page.position:
            return page
    return await _read_page(source, user_id, chosen, limit, after, at=at)


async def _read_page(
    source: ReadSource,
    user_id: UUID,
    chosen: FeedFilter,
    limit: int,
    after: FeedPlace | None,
    *,
    at: int | None,
) -> FeedRows | None:
    last_day, last_id = after or START
    records = await source.fetch_rows_at(
        at,
        "feed_page",
        user_id,
        chosen.first,
        min(chosen.last, last_day),
        last_day,
        last_id,
        chosen.categories,
        chosen.account_id,
        chosen.merchant_key,
        _encode_minor_units(chosen.min_amount),
        _encode_minor_units(chosen.max_amount),
        chosen.needs_review,
        limit + 1,
    )
    if not records:
        return None
    rows = [record for record in records if record["id"] is not None]
    return FeedRows(rows[:limit], records[0]["feed_position"], len(rows) > limit)


def _encode_minor_units(amount: Decimal | None) -> str | None:
    """JSON of the amount in minor units by currency; the key "" holds it for two decimals."""
    if amount is None:
        return None
    uncommon = {code: n for code, n in CURRENCIES.items() if n != _COMMON_DECIMALS}
    decimals = {"": _COMMON_DECIMALS} | uncommon
    return msgspec.json.encode({code: amount.scaleb(n) for code, n in decimals.items()}).decode()
