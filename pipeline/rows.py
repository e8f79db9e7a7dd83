"""A chunk with its categories, as the columns of the `transactions` table.

`Row` is one version of one transaction in the order of the table's columns; `Candidates` holds a
whole chunk of versions as columns in that order, not yet compared with what is stored.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from hashlib import sha1
from itertools import chain, repeat
from typing import Any, Final, NamedTuple
from uuid import UUID

import numpy as np
from asyncpg.pgproto.pgproto import UUID as AsyncpgUUID  # noqa: N811 - a class
from numpy.typing import NDArray

from pipeline import messages
from pipeline.clock import accepted_at
from pipeline.messages import NO_DATE, Chunk

_UNIX_ORDINAL: Final = date(1970, 1, 1).toordinal()


class Row(NamedTuple):
    """One version of a transaction; the fields are the columns of the table, in its order."""

    position: int
    first_position: int
    amount: int
    accepted_at: datetime
    booked_on: date
    authorized_on: date | None
    confidence: float
    model_version: int
    mcc: int | None
    pending: bool
    removed: bool
    locked: bool
    needs_review: bool
    user_id: UUID
    id: UUID
    account_id: UUID
    currency: str
    category: str
    source: str
    reason: str
    transaction_id: str
    description: str
    merchant: str
    merchant_key: str
    merchant_name: str | None
    provider_category: str | None
    pending_transaction_id: str | None
    metadata: str | None


COLUMNS: Final = Row._fields

_CONTENT: Final = tuple(
    COLUMNS.index(name)
    for name in (
        "amount",
        "booked_on",
        "authorized_on",
        "mcc",
        "pending",
        "currency",
        "description",
        "merchant_name",
        "provider_category",
        "pending_transaction_id",
        "metadata",
    )
)


def same_content(one: Row, other: Row) -> bool:
    """Whether the provider said the same in both versions."""
    return all(one[i] == other[i] for i in _CONTENT)


@dataclass(frozen=True, slots=True)
class Scored:
    """What the categorizer says of a chunk, column by column, in the chunk's order."""

    category: list[str]
    confidence: NDArray[np.float32]
    source: list[str]
    needs_review: NDArray[np.bool_]
    merchant: list[str]
    merchant_key: list[str]
    model_version: int


@dataclass(frozen=True, slots=True)
class Candidates:
    """The rows of a chunk as versions that may be stored.

    `ids` are the 16 bytes of each row's id, `user` its index in `users`, `part` the index of its
    ingest in the chunk; positions are still 0 and every reason is `added`.
    """

    columns: list[Sequence[Any]]
    ids: list[bytes]
    user: NDArray[np.intp]
    users: list[bytes]
    part: NDArray[np.intp]

    def __len__(self) -> int:
        return len(self.ids)

    def row(self, index: int) -> Row:
        return Row._make([column[index] for column in self.columns])


def transaction_ids(accounts: Sequence[bytes], transaction_ids: Sequence[str]) -> list[bytes]:
    """UUIDv5 of each account (16 bytes) and bank-side id, as 16 bytes each."""
    digests = b"".join(
        [
            sha1(account + text.encode(), usedforsecurity=False).digest()
            for account, text in zip(accounts, transaction_ids, strict=True)
        ]
    )
    ids = np.frombuffer(digests, np.uint8).reshape(-1, 20)[:, :16].copy()
    ids[:, 6] = ids[:, 6] & 0x0F | 0x50
    ids[:, 8] = ids[:, 8] & 0x3F | 0x80
    flat = ids.tobytes()
    return [flat[i : i + 16] for i in range(0, len(flat), 16)]


def candidates(chunk: Chunk, scored: Scored) -> Candidates:
    """Columns of the table from the columns of the message."""
    n = len(chunk)
    users = list(dict.fromkeys(chunk.users))
    account = messages.column(chunk.account, np.int32)
    user = account_users(chunk, users)[account]
    accounts = account.tolist()
    ids = transaction_ids([chunk.accounts[a] for a in accounts], chunk.transaction_id)
    user_uuids = [AsyncpgUUID(u) for u in users]
    account_uuids = [AsyncpgUUID(a) for a in chunk.accounts]
    currency = messages.column(chunk.currency, np.uint8).tolist()
    nothing = [None] * n
    columns: list[Sequence[Any]] = [
        [0] * n,
        [0] * n,
        messages.column(chunk.amount, np.int64).tolist(),
        list(chain.from_iterable(repeat(accepted_at(p.ingest_id), p.rows) for p in chunk.parts)),
        days(chunk.date),
        days(chunk.authorized) if chunk.authorized else nothing,
        scored.confidence.tolist(),
        [scored.model_version] * n,
        _codes(chunk.mcc) if chunk.mcc else nothing,
        messages.column(chunk.pending, np.bool_).tolist(),
        [False] * n,
        [False] * n,
        scored.needs_review.tolist(),
        [user_uuids[u] for u in user.tolist()],
        [AsyncpgUUID(i) for i in ids],
        [account_uuids[a] for a in accounts],
        [chunk.currencies[c] for c in currency],
        scored.category,
        scored.source,
        ["added"] * n,
        chunk.transaction_id,
        chunk.description,
        scored.merchant,
        scored.merchant_key,
        chunk.merchant_name or nothing,
        chunk.provider_category or nothing,
        chunk.pending_transaction_id or nothing,
        chunk.metadata or nothing,
    ]
    part = np.repeat(np.arange(len(chunk.parts)), [p.rows for p in chunk.parts])
    return Candidates(columns, ids, user, users, part)


def account_users(chunk: Chunk, users: list[bytes]) -> NDArray[np.intp]:
    """For each account of the chunk, the index of its user in `users`."""
    index = {user: i for i, user in enumerate(users)}
    return np.array([index[user] for user in chunk.users], np.intp)


@lru_cache(maxsize=100_000)
def _day(days_since_1970: int) -> date | None:
    if days_since_1970 == NO_DATE:
        return None
    return date.fromordinal(days_since_1970 + _UNIX_ORDINAL)


def days(data: bytes) -> list[date | None]:
    """Dates from a column of days since 1970."""
    return [_day(day) for day in messages.column(data, np.int32).tolist()]


def days_since_1970(day: date) -> int:
    return (day - date(1970, 1, 1)) // timedelta(days=1)


def _codes(mcc: bytes) -> list[int | None]:
    return [code or None for code in messages.column(mcc, np.int16).tolist()]
