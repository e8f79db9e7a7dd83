"""The rows of a chunk as versions of transactions, before the comparison with stored ones.

`Candidates` holds the versions of a chunk as columns of the table; a `Row` is one version with
Python values, as a SELECT gives it.
"""

from __future__ import annotations

from collections import namedtuple
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from pipeline.transactions.chunk import Chunk
from pipeline.transactions.columns import (
    CHUNK_COLUMNS,
    INTEGER,
    TIMESTAMP,
    TRANSACTION_COLUMNS,
    Column,
    Values,
    content_of,
    get_transaction_column,
    to_elements,
    to_table_elements,
    to_values,
)
from pipeline.transactions.identity import digest_identities, make_transaction_ids, split_ids
from pipeline.transactions.ids import read_uuid7_time

_namedtuple: Any = namedtuple  # noqa: PYI024 - the fields are those of the table
_Columns: Any = _namedtuple("_Columns", [column.name for column in TRANSACTION_COLUMNS])


class Row(_Columns):  # type: ignore[misc]
    """One version of a transaction; the fields are the columns of the table, in its order.

    The fields that the rules of its life read have types here.
    """

    __slots__ = ()

    first_position: int
    accepted_at: datetime
    booked_on: date
    removed: bool
    locked: bool
    user_id: UUID
    id: UUID
    reason: str


def has_same_content(one: Row, other: Row) -> bool:
    """Whether the provider pushed equal content in both versions."""
    return bool(content_of(one) == content_of(other))


@dataclass(frozen=True, slots=True)
class Scored:
    """The verdicts of the categorizer on a chunk, column by column, in the order of its rows."""

    category: list[str]
    confidence: NDArray[np.float32]
    source: list[str]
    needs_review: NDArray[np.bool_]
    merchant: list[str]
    merchant_key: list[str]
    model_version: int


class CandidateRemoval(NamedTuple):
    """A removal by the provider; `user` is an index of users, `part` one of the chunk's parts."""

    id: bytes
    user: int
    part: int
    accepted_at: datetime


@dataclass(frozen=True, slots=True)
class Candidates:
    """The rows of a chunk as versions that may be stored, and its removals.

    `columns` are those of the table without position and first_position. `ids` (V16) and `digest`
    identify each row, `user` is the index of its user, `part` that of its part. `users` ascend; the
    chunk has `parts` parts. `references` maps the index of a row to the id of its pending row.
    """

    columns: dict[str, Values]
    ids: NDArray[np.void]
    digest: NDArray[Any]
    user: NDArray[np.intp]
    users: list[bytes]
    part: NDArray[np.intp]
    parts: int
    removals: list[CandidateRemoval]
    references: dict[int, bytes]

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, chosen: NDArray[np.intp]) -> list[Row]:
        """These rows as versions whose positions are 0."""
        nowhere = [0] * len(chosen)
        columns = {
            name: to_values(get_transaction_column(name), elements, chosen)
            for name, elements in self.columns.items()
        }
        values = (columns.get(column.name, nowhere) for column in TRANSACTION_COLUMNS)
        return [Row._make(row) for row in zip(*values, strict=True)]


def make_candidates(chunk: Chunk, scored: Scored) -> Candidates:
    """Convert the columns of a message to columns of the table."""
    users = sorted(set(chunk.users))
    account = chunk.account_places()
    user = index_account_users(chunk, users)[account]
    joined = make_transaction_ids(
        [chunk.accounts[a] for a in account.tolist()], chunk.texts("transaction_id")
    )
    user_ids, ids = _join_uuids(users)[user], np.frombuffer(joined, "V16")
    part = np.repeat(np.arange(len(chunk.parts)), [p.rows for p in chunk.parts])
    accepted = to_elements(TIMESTAMP, [read_uuid7_time(p.ingest_id) for p in chunk.parts])
    columns: dict[str, Values] = {
        **{column.name: _convert_column(chunk, column) for column in CHUNK_COLUMNS},
        **_make_columns(scored, len(chunk)),
        "accepted_at": np.asarray(accepted)[part],
        "user_id": user_ids,
        "id": ids,
        "account_id": _join_uuids(chunk.accounts)[account],
        "currency": chunk.row_currencies(),
    }
    return Candidates(
        columns=columns,
        ids=ids,
        digest=digest_identities(user_ids, ids),
        user=user,
        users=users,
        part=part,
        parts=len(chunk.parts),
        removals=_list_removals(chunk, users),
        references=_map_references(chunk),
    )


def _convert_column(chunk: Chunk, column: Column) -> Values:
    """A pushed column as a column of the table."""
    if column.kind.is_text:
        nothing: list[str | None] = [None] * len(chunk)
        return chunk.optional_texts(column.name) or nothing
    return to_table_elements(column, chunk.numbers(column.name))


def _make_columns(scored: Scored, rows: int) -> dict[str, Values]:
    """The columns that the pipeline fills for new rows."""
    no = np.zeros(rows, np.uint8)
    return {
        "confidence": scored.confidence.astype(">f4"),
        "model_version": np.full(rows, scored.model_version, INTEGER.table_type),
        "removed": no,
        "locked": no,
        "needs_review": scored.needs_review.astype(np.uint8),
        "category": scored.category,
        "source": scored.source,
        "reason": ["added"] * rows,
        "merchant": scored.merchant,
        "merchant_key": scored.merchant_key,
    }


def _list_removals(chunk: Chunk, users: list[bytes]) -> list[CandidateRemoval]:
    """The chunk's removals, with the ids of the transactions that they name."""
    if not chunk.removed_transaction_id:
        return []
    account = chunk.removed_account_places()
    ids = split_ids(
        make_transaction_ids([chunk.accounts[a] for a in account], chunk.removed_transaction_id)
    )
    user = index_account_users(chunk, users)[account].tolist()
    part = np.repeat(np.arange(len(chunk.parts)), [p.removals for p in chunk.parts]).tolist()
    when = [read_uuid7_time(p.ingest_id) for p in chunk.parts]
    return [CandidateRemoval(i, u, p, when[p]) for i, u, p in zip(ids, user, part, strict=True)]


def _map_references(chunk: Chunk) -> dict[int, bytes]:
    """Map the index of a row to the id of the pending row that it names."""
    names = chunk.optional_texts("pending_transaction_id")
    if names is None:
        return {}
    rows = [i for i, name in enumerate(names) if name is not None]
    account = chunk.account_places()[rows]
    ids = make_transaction_ids(
        [chunk.accounts[a] for a in account], [name for name in names if name is not None]
    )
    return dict(zip(rows, split_ids(ids), strict=True))


def index_account_users(chunk: Chunk, users: list[bytes]) -> NDArray[np.intp]:
    """For each account of the chunk, the index of its user in `users`."""
    index = {user: i for i, user in enumerate(users)}
    return np.array([index[user] for user in chunk.users], np.intp)


def _join_uuids(raw: list[bytes]) -> NDArray[np.void]:
    return np.frombuffer(b"".join(raw), "V16")
