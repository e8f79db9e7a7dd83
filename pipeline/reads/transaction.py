"""One transaction of a user's feed."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import asyncpg

from pipeline.reads.source import ReadSource
from pipeline.transactions.identity import digest_identity


@dataclass(frozen=True, slots=True)
class SingleRow:
    """A row of `transactions`, None when it is not in the feed, and the feed's position."""

    row: asyncpg.Record | None
    position: int


async def read_transaction(
    source: ReadSource, user_id: UUID, transaction: UUID, *, at: int | None = None
) -> SingleRow | None:
    """The transaction with this id; None when there is no such user.

    A replica may answer when `at` is the feed's position. Raises StoreUnavailable.
    """
    key = (user_id, transaction, digest_identity(user_id, transaction))
    records = await source.fetch_rows_at(at, "transaction", *key)
    if not records:
        return None
    (record,) = records
    return SingleRow(record if record["id"] is not None else None, record["feed_position"])
