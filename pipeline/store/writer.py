"""The write path: one chunk, one database transaction, whole or absent.

Order inside the transaction: ledger (a redelivered chunk ends here), the feeds of its users (from
now on nobody else writes for them), what is stored of its transactions, deletes, copies, feeds,
receipts. Locks are taken in the order of user ids, so several workers never wait in a circle.
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

from pipeline.database.partitions import table_of
from pipeline.database.pool import translated
from pipeline.database.queries import queries
from pipeline.errors import NoPartition
from pipeline.fail_point import NEVER, FailPoint
from pipeline.store.binary_copy import encode
from pipeline.transactions.changes import Absent, Changes, plan
from pipeline.transactions.chunk import Chunk
from pipeline.transactions.columns import (
    IDENTITY_COLUMNS,
    SELECT_LIST,
    TRANSACTION_COLUMNS,
    Column,
    Values,
    null_elements,
)
from pipeline.transactions.identity import digest
from pipeline.transactions.rows import Candidates, Row, Scored, make_candidates

_SQL: Final = queries("pipeline.store", "store")
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
    """Writes chunks; safe to call from several workers and with the same chunk again."""

    def __init__(self, pool: asyncpg.Pool, fail_point: FailPoint = NEVER) -> None:
        self._pool = pool
        self._fail_point = fail_point

    async def write(self, chunk: Chunk, scored: Scored) -> dict[bytes, int]:
        """Write the chunk unless it is written; returns user id (16 bytes) -> feed position.

        Raises StoreUnavailable when another try can help, NoPartition for a date outside the
        managed months; in both cases nothing was written.
        """
        pushed = make_candidates(chunk, scored)
        async with _managed(), self._pool.acquire() as connection, connection.transaction():
            if not await connection.fetchval(_SQL["claim"], UUID(bytes=chunk.chunk_id)):
                feeds = await connection.fetch(_SQL["feeds"], _array(_hex(pushed.users)))
                return {row["user_id"].bytes: row["position"] for row in feeds}
            positions = await _write(connection, chunk, pushed)
            self._fail_point.reach("copied")
        return {user: p for user, p in zip(pushed.users, positions, strict=True) if p >= 0}

    async def rehearse(self, chunk: Chunk, scored: Scored) -> None:
        """Raise what `write` would raise for this chunk, and write nothing."""
        pushed = make_candidates(chunk, scored)
        async with _managed(), self._pool.acquire() as connection:
            transaction = connection.transaction()
            await transaction.start()
            try:
                await _write(connection, chunk, pushed)
            finally:
                await transaction.rollback()


@asynccontextmanager
async def _managed() -> AsyncIterator[None]:
    """Failures of a write as errors of ours."""
    async with translated():
        try:
            yield
        except asyncpg.CheckViolationError as error:
            raise NoPartition("a date outside the managed months") from error


async def _write(connection: asyncpg.Connection, chunk: Chunk, pushed: Candidates) -> list[int]:
    """Returns the positions of the users' feeds afterwards; -1 where the user was erased."""
    users = _hex(pushed.users)
    feeds = await _locked_feeds(connection, users)
    stored = await _stored(connection, pushed)
    changes = plan(pushed, stored, feeds)
    await _replace(connection, changes)
    positions: list[int] = changes.positions.tolist()
    await connection.execute(_SQL["advance_feeds"], _array(users), _array(positions))
    receipts = "".join(_receipts(chunk, pushed, users, positions, changes)).encode()
    await connection.copy_to_table("receipts", source=memoryview(receipts), columns=_RECEIPT)
    return positions


def _hex(ids: Iterable[bytes]) -> list[str]:
    return [i.hex() for i in ids]


def _array(values: Iterable[object]) -> str:
    """As PostgreSQL reads an array of numbers or ids."""
    return f"{{{','.join(map(str, values))}}}"


async def _locked_feeds(connection: asyncpg.Connection, users: list[str]) -> NDArray[np.int64]:
    """Positions in the order of `users`, which is the order of locking; -1 for an erased user."""
    feeds = np.full(len(users), -1, np.int64)
    for n, position in await connection.fetch(_SQL["lock_feeds"], _array(users)):
        feeds[n - 1] = position
    return feeds


async def _stored(connection: asyncpg.Connection, pushed: Candidates) -> dict[bytes, Row | Absent]:
    """The stored versions of all transactions that the chunk speaks of."""
    others = [(pushed.user[index], key) for index, key in pushed.references.items()]
    others += [(removal.user, removal.id) for removal in pushed.removals]
    digests: list[int] = pushed.digest.tolist()
    digests += [digest(UUID(bytes=pushed.users[user]), UUID(bytes=key)) for user, key in others]
    found = await connection.fetch(_SQL["identities"], _array(digests))
    stored: dict[bytes, Row | Absent] = {
        row["id"].bytes: Absent(row["removed_at"]) for row in found if row["booked_on"] is None
    }
    places = [(r["user_id"], r["booked_on"], r["id"]) for r in found if r["booked_on"] is not None]
    for sql, keys in _by_month("versions", places):
        for row in await connection.fetch(sql, *keys):
            stored[row["id"].bytes] = Row._make(row)
    return stored


async def _replace(connection: asyncpg.Connection, changes: Changes) -> None:
    old = [(row.user_id, row.booked_on, row.id) for row in changes.deletes]
    for sql, keys in _by_month("delete_versions", old):
        await connection.execute(sql, *keys)
    if changes.moves:
        await connection.execute(_SQL["move_identities"], *_transposed(changes.moves))
    await _copy(connection, "identity", IDENTITY_COLUMNS, changes.identities)
    await _copy(connection, "transactions", TRANSACTION_COLUMNS, changes.copies)


async def _copy(
    connection: asyncpg.Connection,
    table: str,
    columns: Sequence[Column],
    values: Mapping[str, Values],
) -> None:
    if len(values["id"]):
        names, data = encode(values, null_elements(columns))
        await connection.copy_to_table(table, source=data, columns=names, format="binary")


def _receipts(
    chunk: Chunk, pushed: Candidates, users: list[str], positions: list[int], changes: Changes
) -> Iterator[str]:
    """One receipt a part, as a line of COPY: its counts, and where each of its users' feeds stands."""
    touched: list[set[int]] = [set() for _ in chunk.parts]
    for part, user in set(zip(pushed.part.tolist(), pushed.user.tolist(), strict=True)):
        touched[part].add(user)
    for removal in pushed.removals:
        touched[removal.part].add(removal.user)
    for part, counts, seen in zip(chunk.parts, changes.fates.tolist(), touched, strict=True):
        there = [user for user in sorted(seen) if positions[user] >= 0]
        fields = (
            *counts,
            part.ingest_id.hex(),
            part.number,
            _array(users[user] for user in there),
            _array(positions[user] for user in there),
        )
        yield "\t".join(map(str, fields)) + "\n"


def _by_month(
    query: str, places: Iterable[tuple[UUID, date, UUID]]
) -> Iterator[tuple[str, list[list[Any]]]]:
    """The query on each month's table that holds some of the places, with their columns."""
    months: dict[str, list[tuple[UUID, date, UUID]]] = {}
    for place in places:
        months.setdefault(table_of(place[1]), []).append(place)
    for month, keys in months.items():
        yield _SQL[query].format(month=month, columns=SELECT_LIST), _transposed(keys)


def _transposed(rows: Iterable[Sequence[Any]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
