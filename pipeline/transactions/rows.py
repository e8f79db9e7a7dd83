"""The columns of the `transactions` table: as arrays for a whole chunk, as a Row for one version.

`Candidates` holds a chunk's versions as columns, not yet compared with what is stored; a `Row` is
one version with Python values, as a SELECT gives it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from operator import attrgetter
from typing import Any, Final, NamedTuple
from uuid import UUID

import numpy as np
from asyncpg.pgproto.pgproto import UUID as AsyncpgUUID  # noqa: N811 - a class
from numpy.typing import NDArray

from pipeline.database.clock import accepted_at
from pipeline.transactions import chunk as messages
from pipeline.transactions.chunk import NO_DATE, Chunk
from pipeline.transactions.identity import digests, split_ids, transaction_ids


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


Column = NDArray[Any] | list[str] | list[str | None]

_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)  # PostgreSQL counts days and microseconds from it
_EPOCH_ORDINAL: Final = _EPOCH.toordinal()
_UNIX_DAYS: Final = _EPOCH_ORDINAL - date(1970, 1, 1).toordinal()
_MICROSECOND: Final = timedelta(microseconds=1)


class Kind(NamedTuple):
    """How values of a type stand in an array: PostgreSQL's binary form, and back."""

    dtype: str
    dump: Callable[[Any], Any]
    load: Callable[[Any], Any]


_BIGINT = Kind(">i8", int, int)
_INTEGER = Kind(">i4", int, int)
_SMALLINT = Kind(">i2", int, int)
_REAL = Kind(">f4", float, float)
_BOOLEAN = Kind("u1", int, bool)
_DATE = Kind(
    ">i4",
    lambda day: day.toordinal() - _EPOCH_ORDINAL,
    lambda days: date.fromordinal(int(days) + _EPOCH_ORDINAL),
)
_TIMESTAMP = Kind(
    ">i8",
    lambda time: (time - _EPOCH) // _MICROSECOND,
    lambda micros: _EPOCH + timedelta(microseconds=int(micros)),
)
_UUID = Kind("V16", lambda uuid: uuid.bytes, AsyncpgUUID)

KINDS: Final[Mapping[str, Kind]] = {
    "digest": _BIGINT,
    "position": _BIGINT,
    "first_position": _BIGINT,
    "amount": _BIGINT,
    "accepted_at": _TIMESTAMP,
    "booked_on": _DATE,
    "authorized_on": _DATE,
    "confidence": _REAL,
    "model_version": _INTEGER,
    "mcc": _SMALLINT,
    "pending": _BOOLEAN,
    "removed": _BOOLEAN,
    "locked": _BOOLEAN,
    "needs_review": _BOOLEAN,
    "user_id": _UUID,
    "id": _UUID,
    "account_id": _UUID,
    "removed_at": _TIMESTAMP,
}
NULLS: Final[Mapping[str, int]] = {
    "authorized_on": NO_DATE,
    "mcc": 0,
    "removed_at": np.iinfo(np.int64).min,
}
# The name of a column in `identity` whose NULL means something that it does not in `transactions`.
IDENTITY_NULLS: Final[Mapping[str, int]] = {**NULLS, "booked_on": NO_DATE}

_CONTENT: Final = (
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
_content: Final = attrgetter(*_CONTENT)


def same_content(one: Row, other: Row) -> bool:
    """Whether the provider said the same in both versions."""
    return bool(_content(one) == _content(other))


def to_column(name: str, values: Iterable[Any], null: int | None = None) -> Column:
    """A column of Python values; None becomes `null` where the column is an array."""
    kind = KINDS.get(name)
    if kind is None:
        return list(values)
    return np.array([null if v is None else kind.dump(v) for v in values], kind.dtype)


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


class Removal(NamedTuple):
    """A removal by the provider, within the chunk's part."""

    id: bytes
    user: int
    part: int
    accepted_at: datetime


@dataclass(frozen=True, slots=True)
class Candidates:
    """The rows of a chunk as versions that may be stored, and its removals.

    `columns` are those of the table but position and first_position; `ids` the id of each row (V16),
    `digest` what its identity is looked up by, `user` its index in `users` (ascending), `part` the
    index of its ingest in the chunk, which has `parts` of them; `references` row number -> id of the
    pending row that it names.
    """

    columns: dict[str, Column]
    ids: NDArray[np.void]
    digest: NDArray[Any]
    user: NDArray[np.intp]
    users: list[bytes]
    part: NDArray[np.intp]
    parts: int
    removals: list[Removal]
    references: dict[int, bytes]

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, chosen: NDArray[np.intp]) -> list[Row]:
        """These versions, with positions 0."""
        nowhere = [0] * len(chosen)
        columns = {name: _values(name, column, chosen) for name, column in self.columns.items()}
        values = (columns.get(name, nowhere) for name in Row._fields)
        return [Row._make(row) for row in zip(*values, strict=True)]


def _values(name: str, column: Column, chosen: NDArray[np.intp]) -> list[Any]:
    if isinstance(column, list):
        return [column[i] for i in chosen.tolist()]
    load, null = KINDS[name].load, NULLS.get(name)
    return [None if element == null else load(element) for element in column[chosen].tolist()]


def candidates(chunk: Chunk, scored: Scored) -> Candidates:
    """Columns of the table from the columns of the message."""
    n = len(chunk)
    users = sorted(set(chunk.users))
    account = messages.column(chunk.account, np.int32)
    user = account_users(chunk, users)[account]
    ids = transaction_ids([chunk.accounts[a] for a in account.tolist()], chunk.transaction_id)
    user_ids, transactions = _uuids(users)[user], np.frombuffer(ids, "V16")
    part = np.repeat(np.arange(len(chunk.parts)), [p.rows for p in chunk.parts])
    accepted = to_column("accepted_at", [accepted_at(p.ingest_id) for p in chunk.parts])
    currency = messages.column(chunk.currency, np.uint8).tolist()
    no = np.zeros(n, np.uint8)
    nothing: list[str | None] = [None] * n
    columns: dict[str, Column] = {
        "amount": messages.column(chunk.amount, np.int64).astype(">i8"),
        "accepted_at": np.asarray(accepted)[part],
        "booked_on": _days(chunk.date),
        "authorized_on": _days(chunk.authorized)
        if chunk.authorized
        else np.full(n, NO_DATE, ">i4"),
        "confidence": scored.confidence.astype(">f4"),
        "model_version": np.full(n, scored.model_version, ">i4"),
        "mcc": messages.column(chunk.mcc or bytes(2 * n), np.int16).astype(">i2"),
        "pending": messages.column(chunk.pending, np.uint8),
        "removed": no,
        "locked": no,
        "needs_review": scored.needs_review.astype(np.uint8),
        "user_id": user_ids,
        "id": transactions,
        "account_id": _uuids(chunk.accounts)[account],
        "currency": [chunk.currencies[c] for c in currency],
        "category": scored.category,
        "source": scored.source,
        "reason": ["added"] * n,
        "transaction_id": chunk.transaction_id,
        "description": chunk.description,
        "merchant": scored.merchant,
        "merchant_key": scored.merchant_key,
        "merchant_name": chunk.merchant_name or nothing,
        "provider_category": chunk.provider_category or nothing,
        "pending_transaction_id": chunk.pending_transaction_id or nothing,
        "metadata": chunk.metadata or nothing,
    }
    return Candidates(
        columns=columns,
        ids=transactions,
        digest=digests(user_ids, transactions),
        user=user,
        users=users,
        part=part,
        parts=len(chunk.parts),
        removals=_removals(chunk, users),
        references=_references(chunk),
    )


def _removals(chunk: Chunk, users: list[bytes]) -> list[Removal]:
    """The chunk's removals, with the ids of the transactions that they name."""
    if not chunk.removed_transaction_id:
        return []
    account = messages.column(chunk.removed_account, np.int32)
    ids = split_ids(
        transaction_ids([chunk.accounts[a] for a in account], chunk.removed_transaction_id)
    )
    user = account_users(chunk, users)[account].tolist()
    part = np.repeat(np.arange(len(chunk.parts)), [p.removals for p in chunk.parts]).tolist()
    when = [accepted_at(p.ingest_id) for p in chunk.parts]
    return [Removal(i, u, p, when[p]) for i, u, p in zip(ids, user, part, strict=True)]


def _references(chunk: Chunk) -> dict[int, bytes]:
    """Row number -> id of the pending row that it names."""
    names = chunk.pending_transaction_id
    if names is None:
        return {}
    rows = [i for i, name in enumerate(names) if name is not None]
    account = messages.column(chunk.account, np.int32)[rows]
    ids = transaction_ids(
        [chunk.accounts[a] for a in account], [name for name in names if name is not None]
    )
    return dict(zip(rows, split_ids(ids), strict=True))


def account_users(chunk: Chunk, users: list[bytes]) -> NDArray[np.intp]:
    """For each account of the chunk, the index of its user in `users`."""
    index = {user: i for i, user in enumerate(users)}
    return np.array([index[user] for user in chunk.users], np.intp)


def _uuids(raw: list[bytes]) -> NDArray[np.void]:
    return np.frombuffer(b"".join(raw), "V16")


def _days(data: bytes) -> NDArray[Any]:
    """Days since 1970, as in the message, to PostgreSQL's days; NO_DATE stays."""
    days = messages.column(data, np.int32)
    return np.where(days == NO_DATE, NO_DATE, days - _UNIX_DAYS).astype(">i4")
