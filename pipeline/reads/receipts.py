"""Receipts: what became of a pushed batch, summed over the parts that are stored."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

import asyncpg

from pipeline.reads.source import ReadSource
from pipeline.transactions.ids import read_uuid7_time
from pipeline.transactions.ticket import Ticket

_COUNTS: Final = ("added", "modified", "unchanged", "removed", "discarded")


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of an ingest.

    Counts and positions (by user id) are of its `parts` that are stored so far; `reason` says why
    it failed.
    """

    status: Literal["queued", "stored", "failed"]
    parts: frozenset[int]
    added: int
    modified: int
    unchanged: int
    removed: int
    discarded: int
    positions: dict[UUID, int]
    reason: str | None


async def read_receipt(source: ReadSource, ticket: Ticket) -> Receipt:
    """The receipt of the ticket's ingest; an unknown ingest is queued. Raises StoreUnavailable."""
    ingest_id = UUID(bytes=ticket.ingest)
    records = await source.fetch_rows("receipts", ingest_id, read_uuid7_time(ticket.ingest))
    parts = [record for record in records if record["part"] is not None]
    counts = {name: sum(part[name] for part in parts) for name in _COUNTS}
    is_stored = sum(counts.values()) >= ticket.accepted + ticket.removed
    reason = None if is_stored else records[0]["reason"]
    return Receipt(
        status="stored" if is_stored else "failed" if reason else "queued",
        parts=frozenset(part["part"] for part in parts),
        positions=_merge_positions(parts),
        reason=reason,
        **counts,
    )


def _merge_positions(parts: Iterable[asyncpg.Record]) -> dict[UUID, int]:
    """User id -> the greatest position among the parts."""
    positions: dict[UUID, int] = {}
    for part in parts:
        for user, position in zip(part["users"], part["positions"], strict=True):
            positions[user] = max(position, positions.get(user, 0))
    return positions
