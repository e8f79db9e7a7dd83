"""The write path: a chunk is written in one database transaction, whole or not at all.

The ledger comes first, where a redelivered chunk ends. Then the feeds of the users are locked, so
that nobody else writes for them. The stored versions are read, and replaced by the planned changes.
Last come the positions of the feeds and the receipts.
Feeds are locked in the order of user ids, so that workers never deadlock.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import date
from typing import Any, Final
from uuid import UUID

import asyncpg
import numpy as np
from numpy.typing import NDArray

from pipeline.database.partitions import name_partition
from pipeline.database.pool import translate_errors
from pipeline.database.queries import load_queries
from pipeline.errors import NoPartition
from pipeline.fail_point import NEVER, FailPoint
from pipeline.store.binary_copy import encode
from pipeline.transactions.changes import Changes, plan_changes
from pipeline.transactions.chunk import Chunk
from pipeline.transactions.columns import (
    IDENTITY_COLUMNS,
    SELECT_LIST,
    TRANSACTION_COLUMNS,
    Column,
    Values,
    make_null_elements,
)
from pipeline.transactions.identity import digest_identity
from pipeline.transactions.lifecycle import Absent
from pipeline.transactions.rows import Candidates, Row, Scored, make_candidates

_SQL: Final = load_queries("pipeline.store", "store")
_RECEIPT: Final = (
    "added",
    "modified",
    "unchanged",
    "removed",
    "discarded",
    "ingest_id",
    "part",
    "users",
    "positions",
)


class Store:
    """Writes chunks. Several workers may write at once, and a chunk may come twice."""

    def __init__(self, pool: asyncpg.Pool, fail_point: FailPoint = NEVER) -> None:
        self._pool = pool
        self._fail_point = fail_point

    async def store_chunk(self, chunk: Chunk, scored: Scored) -> dict[bytes, int]:
        """Write the chunk unless it is stored; returns user id (16 bytes) -> feed position.

        Raises StoreUnavailable when another try can help, and NoPartition for a date outside the
        managed months. Nothing is written in either case.
        """
        pushed = make_candidates(chunk, scored)
        async with (
            _translate_errors(),
            self._pool.acquire() as connection,
            connection.transaction(),
        ):
            if not await connection.fetchval(_SQL["claim_chunk"], UUID(bytes=chunk.chunk_id)):
                feeds = await connection.fetch(
                    _SQL["read_positions"], _encode_array(_encode_ids(pushed.users))
                )
                return {row["user_id"].bytes: row["position"] for row in feeds}
            positions = await _write_chunk(connection, chunk, pushed)
            self._fail_point.reach("copied")
        return {user: p for user, p in zip(pushed.users, positions, strict=True) if p >= 0}

    async def rehearse_chunk(self, chunk: Chunk, scored: Scored) -> None:
        """Raise what a write of this chunk would raise, and write nothing."""
        pushed = make_candidates(chunk, scored)
        async with _translate_errors(), self._pool.acquire() as connection:
            transaction = connection.transaction()
            await transaction.start()
            try:
                await _write_chunk(connection, chunk, pushed)
            finally:
                await transaction.rollback()


@asynccontextmanager
async def _translate_errors() -> AsyncIterator[None]:
    """Raise StoreUnavailable or NoPartition for the errors of a write."""
    async with translate_errors():
        try:
            yield
        except asyncpg.CheckViolationError as error:
            raise NoPartition("a date outside the managed months") from error


async def _write_chunk(
    connection: asyncpg.Connection, chunk: Chunk, pushed: Candidates
) -> list[int]:
    """Write the changes; returns the new positions of the users' feeds, -1 for an erased user."""
    users = _encode_ids(pushed.users)
    feeds = await _lock_feeds(connection, users)
    stored = await _read_stored(connection, pushed)
    changes = plan_changes(pushed, stored, feeds)
    await _replace_versions(connection, changes)
    positions: list[int] = changes.positions.tolist()
    await connection.execute(_SQL["advance_feeds"], _encode_array(users), _encode_array(positions))
    receipts = "".join(_encode_receipts(chunk, pushed, users, positions, changes)).encode()
    await connection.copy_to_table("receipts", source=memoryview(receipts), columns=_RECEIPT)
    return positions


def _encode_ids(ids: Iterable[bytes]) -> list[str]:
    return [i.hex() for i in ids]


def _encode_array(values: Iterable[object]) -> str:
    """The text form of a PostgreSQL array of numbers or ids."""
    return f"{{{','.join(map(str, values))}}}"


async def _lock_feeds(connection: asyncpg.Connection, users: list[str]) -> NDArray[np.int64]:
    """Lock the feeds in the order of `users`; returns positions, -1 for an erased user."""
    feeds = np.full(len(users), -1, np.int64)
    for row in await connection.fetch(_SQL["lock_feeds"], _encode_array(users)):
        feeds[row["number"] - 1] = row["position"]
    return feeds


async def _read_stored(
    connection: asyncpg.Connection, pushed: Candidates
) -> dict[bytes, Row | Absent]:
    """Transaction id -> stored version, of all transactions that the chunk names."""
    others = [(pushed.user[index], key) for index, key in pushed.references.items()]
    others += [(removal.user, removal.id) for removal in pushed.removals]
    digests: list[int] = pushed.digest.tolist()
    digests += [
        digest_identity(UUID(bytes=pushed.users[user]), UUID(bytes=key)) for user, key in others
    ]
    identities = await connection.fetch(_SQL["find_identities"], _encode_array(digests))
    stored: dict[bytes, Row | Absent] = {
        row["id"].bytes: Absent(row["removed_at"]) for row in identities if row["booked_on"] is None
    }
    places = [(r["user_id"], r["booked_on"], r["id"]) for r in identities if r["booked_on"]]
    for sql, keys in _split_by_month("read_versions", places):
        for row in await connection.fetch(sql, *keys):
            stored[row["id"].bytes] = Row._make(row)  # SELECT_LIST has the order of Row
    return stored


async def _replace_versions(connection: asyncpg.Connection, changes: Changes) -> None:
    old = [(row.user_id, row.booked_on, row.id) for row in changes.deletes]
    for sql, keys in _split_by_month("delete_versions", old):
        await connection.execute(sql, *keys)
    if changes.moves:
        await connection.execute(_SQL["move_identities"], *_transpose(changes.moves))
    await _copy_rows(connection, "identity", IDENTITY_COLUMNS, changes.identities)
    await _copy_rows(connection, "transactions", TRANSACTION_COLUMNS, changes.copies)


async def _copy_rows(
    connection: asyncpg.Connection,
    table: str,
    columns: Sequence[Column],
    values: Mapping[str, Values],
) -> None:
    if len(values["id"]):
        names, data = encode(values, make_null_elements(columns))
        await connection.copy_to_table(table, source=data, columns=names, format="binary")


def _encode_receipts(
    chunk: Chunk, pushed: Candidates, users: list[str], positions: list[int], changes: Changes
) -> Iterator[str]:
    """One line of COPY a part: its counts, and the feed positions of its users."""
    touched: list[set[int]] = [set() for _ in chunk.parts]
    for part, user in set(zip(pushed.part.tolist(), pushed.user.tolist(), strict=True)):
        touched[part].add(user)
    for removal in pushed.removals:
        touched[removal.part].add(removal.user)
    for part, counts, seen in zip(chunk.parts, changes.fates.tolist(), touched, strict=True):
        present = [user for user in sorted(seen) if positions[user] >= 0]
        fields = (
            *counts,
            part.ingest_id.hex(),
            part.number,
            _encode_array(users[user] for user in present),
            _encode_array(positions[user] for user in present),
        )
        yield "\t".join(map(str, fields)) + "\n"


def _split_by_month(
    query: str, places: Iterable[tuple[UUID, date, UUID]]
) -> Iterator[tuple[str, list[list[Any]]]]:
    """The query on the table of each month, with the columns of its places."""
    months: dict[str, list[tuple[UUID, date, UUID]]] = {}
    for place in places:
        months.setdefault(name_partition(place[1]), []).append(place)
    for month, keys in months.items():
        yield _SQL[query].format(month=month, columns=SELECT_LIST), _transpose(keys)


def _transpose(rows: Iterable[Sequence[Any]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
