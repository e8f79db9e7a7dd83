"""What readers ask of PostgreSQL; every answer names the feed position that it reflects.

Each question is one statement, so its rows and its position come from one snapshot. A question
that says `at` which position readers know the feed to be may be answered by a replica.

A statement opens every month that may hold an answer, and nearly always the last ones hold it. So
these alone are asked first, and all only when what came back does not prove to be the answer.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec

from pipeline.database.pool import translated
from pipeline.reads.replicas import Replicas
from pipeline.reads.statements import STATEMENTS
from pipeline.transactions.identity import digest
from pipeline.transactions.ids import accepted_at
from pipeline.transactions.money import CURRENCIES
from pipeline.transactions.ticket import Ticket

FIRST_DAY: Final = date(1, 1, 1)
LAST_DAY: Final = date(9999, 12, 31)
_COUNTS: Final = ("added", "modified", "unchanged", "removed", "discarded")
_RECENT_MONTHS: Final = 3
START: Final = (LAST_DAY, UUID(int=2**128 - 1))

# Bits of grouping(category, merchant_key, account_id, booked_on): 0 where grouped by it.
_GROUPED: Final = {
    0b1111: "currency",
    0b0111: "category",
    0b1011: "merchant",
    0b1101: "account",
    0b1110: "day",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedFilter:
    """Which transactions of a feed; None: all. Amounts are decimals, dates inclusive."""

    first: date = FIRST_DAY
    last: date = LAST_DAY
    categories: tuple[str, ...] | None = None  # detailed codes
    account_id: UUID | None = None
    merchant_key: str | None = None
    min_amount: Decimal | None = None
    max_amount: Decimal | None = None
    needs_review: bool | None = None


@dataclass(frozen=True, slots=True)
class FeedPage:
    """Rows of `transactions`, newest first, and the feed's position."""

    rows: list[asyncpg.Record]
    position: int
    more: bool


@dataclass(frozen=True, slots=True)
class SyncCursor:
    """How far a reader has read; where the feed stood when it last had read all, and at the last page."""

    position: int = 0
    base: int = 0
    seen: int = 0


@dataclass(frozen=True, slots=True)
class SyncPage:
    """Changes after a cursor, in the order of their positions.

    `added` are rows that first appeared after the cursor's base. A row that changes while a
    reader is on its way through the pages only moves to a later page. `reset`: a restore has undone
    some of what the reader knows; it forgets everything, and this is the feed from its beginning.
    """

    added: list[asyncpg.Record]
    modified: list[asyncpg.Record]
    removed: list[asyncpg.Record]
    position: int
    next: SyncCursor
    more: bool
    reset: bool = False


def nothing_new(cursor: SyncCursor) -> SyncPage:
    """The page of a reader whose cursor is where the feed stands."""
    return SyncPage([], [], [], position=cursor.position, next=cursor, more=False)


@dataclass(frozen=True, slots=True)
class Spending:
    """Sums in minor units, by what they are grouped by (`currency`, `category`, ...)."""

    position: int
    groups: dict[str, list[asyncpg.Record]]


@dataclass(frozen=True, slots=True)
class Single:
    """One transaction, None when it is not in the feed, and the feed's position."""

    row: asyncpg.Record | None
    position: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of an ingest; counts and positions are of its `parts` stored so far."""

    status: str  # queued | stored | failed
    parts: frozenset[int]
    added: int
    modified: int
    unchanged: int
    removed: int
    discarded: int
    positions: dict[UUID, int]
    reason: str | None


class Reads:
    """All questions to the store. None: there is no such user. Raises StoreUnavailable."""

    def __init__(self, pool: asyncpg.Pool, replicas: Replicas | None = None) -> None:
        self._pool = pool
        self._replicas = replicas

    async def position(self, user_id: UUID) -> int | None:
        async with translated():
            position: int | None = await self._pool.fetchval(STATEMENTS["position"], user_id)
            return position

    async def feed(
        self,
        user_id: UUID,
        chosen: FeedFilter,
        limit: int,
        after: tuple[date, UUID] | None = None,
        *,
        at: int | None = None,
    ) -> FeedPage | None:
        """A page of the feed below `after` = (booked_on, id) of the row before."""
        recent = _recent(min(chosen.last, after[0] if after else LAST_DAY))
        if recent > chosen.first:
            page = await self._page(user_id, replace(chosen, first=recent), limit, after, at)
            if page is None or page.more or len(page.rows) == page.position:
                return page  # full; or all there is, as each position is one row's
        return await self._page(user_id, chosen, limit, after, at)

    async def _page(
        self,
        user_id: UUID,
        chosen: FeedFilter,
        limit: int,
        after: tuple[date, UUID] | None,
        at: int | None,
    ) -> FeedPage | None:
        day, last_id = after or START
        found = await self._fetch_at(
            at,
            "feed",
            user_id,
            chosen.first,
            min(chosen.last, day),
            day,
            last_id,
            chosen.categories,
            chosen.account_id,
            chosen.merchant_key,
            _in_minor_units(chosen.min_amount),
            _in_minor_units(chosen.max_amount),
            chosen.needs_review,
            limit + 1,
        )
        if not found:
            return None
        rows = [row for row in found if row["id"] is not None]
        return FeedPage(rows[:limit], found[0]["feed_position"], len(rows) > limit)

    async def sync(
        self, user_id: UUID, cursor: SyncCursor, limit: int, *, at: int | None = None
    ) -> SyncPage | None:
        """Up to `limit` changes after the cursor."""
        seen = max(cursor.position, cursor.seen)
        if at is not None and at < seen:  # this reader knows more than was told
            at = None
        asked = (user_id, cursor.position, limit + 1, seen)
        found: list[asyncpg.Record] = []
        if at is not None and at - cursor.position <= limit:
            found = await self._fetch_at(at, "sync", *asked, _recent(LAST_DAY))
        if not _gapless(found, cursor.position, limit + 1):
            found = await self._fetch_at(at, "sync", *asked, FIRST_DAY)
        if not found:
            return None
        if found[0]["undone"]:
            anew = await self.sync(user_id, SyncCursor(), limit, at=at)
            return anew and replace(anew, reset=True)
        position = found[0]["feed_position"]
        rows = [row for row in found if row["id"] is not None]
        more = len(rows) > limit
        rows = rows[:limit]
        alive = [row for row in rows if not row["removed"]]
        return SyncPage(
            added=[row for row in alive if row["first_position"] > cursor.base],
            modified=[row for row in alive if row["first_position"] <= cursor.base],
            removed=[row for row in rows if row["removed"]],
            position=position,
            next=(
                SyncCursor(rows[-1]["position"], cursor.base, position)
                if more
                else SyncCursor(position, position, position)
            ),
            more=more,
        )

    async def transaction(
        self, user_id: UUID, transaction: UUID, *, at: int | None = None
    ) -> Single | None:
        found = await self._fetch_at(
            at, "transaction", user_id, transaction, digest(user_id, transaction)
        )
        if not found:
            return None
        (row,) = found
        return Single(row if row["id"] is not None else None, row["feed_position"])

    async def spending(
        self, user_id: UUID, first: date, last: date, *, at: int | None = None
    ) -> Spending | None:
        """Sums over the user's transactions from `first` to `last`, both included."""
        found = await self._fetch_at(at, "spending", user_id, first, last)
        if not found:
            return None
        groups: dict[str, list[asyncpg.Record]] = {name: [] for name in _GROUPED.values()}
        for row in found:
            if row["grouped"] is not None:
                groups[_GROUPED[row["grouped"]]].append(row)
        return Spending(found[0]["feed_position"], groups)

    async def receipt(self, ticket: Ticket) -> Receipt:
        found = await self._fetch("receipts", UUID(bytes=ticket.ingest), accepted_at(ticket.ingest))
        parts = [part for part in found if part["part"] is not None]
        counts = {name: sum(part[name] for part in parts) for name in _COUNTS}
        stored = sum(counts.values()) >= ticket.accepted + ticket.removed
        reason = None if stored else found[0]["reason"]
        positions: dict[UUID, int] = {}
        for part in parts:
            for user, position in zip(part["users"], part["positions"], strict=True):
                positions[user] = max(position, positions.get(user, 0))
        return Receipt(
            status="stored" if stored else "failed" if reason else "queued",
            parts=frozenset(part["part"] for part in parts),
            positions=positions,
            reason=reason,
            **counts,
        )

    async def taxonomy(self) -> list[dict[str, str]]:
        """The categories in use: code, primary, name, description, parent."""
        async with translated():
            text = await self._pool.fetchval(STATEMENTS["taxonomy"])
        return msgspec.json.decode(text or "[]", type=list[dict[str, str]])

    async def _fetch_at(self, at: int | None, name: str, *values: Any) -> list[asyncpg.Record]:
        """From a replica where the feed stands `at` that position, else from the primary."""
        if at is not None and self._replicas is not None:
            rows = await self._replicas.fetch(STATEMENTS[name], at, values)
            if rows is not None:
                return rows
        return await self._fetch(name, *values)

    async def _fetch(self, name: str, *values: Any) -> list[asyncpg.Record]:
        async with translated():
            rows: list[asyncpg.Record] = await self._pool.fetch(STATEMENTS[name], *values)
            return rows


def _recent(last: date) -> date:
    """The first day of the last three months up to `last` or today."""
    until = min(last, datetime.now(UTC).date())
    month = until.year * 12 + until.month - _RECENT_MONTHS
    return date(month // 12, month % 12 + 1, 1) if month >= 12 else FIRST_DAY


def _gapless(found: list[asyncpg.Record], cursor: int, most: int) -> bool:
    """Whether these rows are all changes after the cursor, up to `most`: each position is one row's."""
    if not found:
        return False
    wanted = min(found[0]["feed_position"] - cursor, most)
    positions = [row["position"] for row in found if row["id"] is not None]
    return positions == list(range(cursor + 1, cursor + 1 + wanted))


def _in_minor_units(amount: Decimal | None) -> str | None:
    """The amount in minor units as JSON by currency, under "" for those with two decimals."""
    if amount is None:
        return None
    decimals = {"": 2} | {code: n for code, n in CURRENCIES.items() if n != 2}
    return msgspec.json.encode({code: amount.scaleb(n) for code, n in decimals.items()}).decode()
