"""Pages of what has changed in a user's feed since a cursor, in the order of positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

import asyncpg

from pipeline.reads.recent import FIRST_DAY, LAST_DAY, find_recent_start
from pipeline.reads.source import ReadSource


@dataclass(frozen=True, slots=True)
class SyncCursor:
    """How far a reader has read, as positions of the feed.

    `position` is that of the last change read. `base` is where the feed stood when the reader last
    had read all of it. `seen` is where the feed stood at the last page.
    """

    position: int = 0
    base: int = 0
    seen: int = 0


@dataclass(frozen=True, slots=True)
class SyncChanges:
    """One page of changes after a cursor, in the order of their positions.

    `added` are rows that first appeared after the cursor's base. A row that changes while a reader
    is between two pages only moves to a later page. With `reset` a restore has undone some of what
    the reader knows: it forgets everything, and the page begins the feed anew.
    """

    added: list[asyncpg.Record]
    modified: list[asyncpg.Record]
    removed: list[asyncpg.Record]
    position: int
    next: SyncCursor
    more: bool
    reset: bool = False


def create_empty_page(cursor: SyncCursor) -> SyncChanges:
    """The page of a reader whose cursor stands where the feed stands."""
    return SyncChanges([], [], [], position=cursor.position, next=cursor, more=False)


async def read_sync_page(
    source: ReadSource, user_id: UUID, cursor: SyncCursor, limit: int, *, at: int | None = None
) -> SyncChanges | None:
    """Up to `limit` changes after the cursor; None when there is no such user.

    A replica may answer when `at` is the feed's position. Raises StoreUnavailable.
    """
    if at is not None and at < max(cursor.position, cursor.seen):
        at = None  # this reader has seen a later position than the cache knows of
    records = await _read_changes(source, user_id, cursor, limit, at)
    if not records:
        return None
    if records[0]["undone"]:
        first_page = await read_sync_page(source, user_id, SyncCursor(), limit, at=at)
        return first_page and replace(first_page, reset=True)
    return _build_page(records, cursor, limit)


async def _read_changes(
    source: ReadSource, user_id: UUID, cursor: SyncCursor, limit: int, at: int | None
) -> list[asyncpg.Record]:
    """One change more than `limit`; the recent months are read first where they may suffice."""
    values = (user_id, cursor.position, limit + 1, max(cursor.position, cursor.seen))
    if at is not None and at - cursor.position <= limit:
        start = find_recent_start(LAST_DAY)
        records = await source.fetch_rows_at(at, "sync_page", *values, start)
        if _is_gapless(records, cursor.position, limit + 1):
            return records
    return await source.fetch_rows_at(at, "sync_page", *values, FIRST_DAY)


def _is_gapless(records: Sequence[Any], position: int, most: int) -> bool:
    """Whether these are all changes after `position`, up to `most`.

    Each position belongs to one row, so a missing number is a change of a month that was not read.
    """
    if not records:
        return False
    wanted = min(records[0]["feed_position"] - position, most)
    positions = [record["position"] for record in records if record["id"] is not None]
    return positions == list(range(position + 1, position + 1 + wanted))


def _build_page(records: list[asyncpg.Record], cursor: SyncCursor, limit: int) -> SyncChanges:
    position = records[0]["feed_position"]
    changes = [record for record in records if record["id"] is not None]
    more = len(changes) > limit
    rows = changes[:limit]
    alive = [row for row in rows if not row["removed"]]
    return SyncChanges(
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
