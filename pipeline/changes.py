"""What a chunk changes: the rules of a row's life, without any I/O.

Most rows of a chunk are plainly new and stay in their columns. The others (already stored, twice
in the chunk, removed, or tied to a pending row) are walked one by one, in the order in which they
were accepted, each against its current version. A change is always the same thing to the store:
the old version is deleted, the new one copied.

The rules: unchanged content changes nothing; an older version never replaces a newer one; what
was removed stays removed; a posted row removes the pending one that it names, wherever that is,
and inherits the user's category; a user's own category survives every update of the provider.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import IntEnum
from itertools import compress
from typing import Any, Final, NamedTuple
from uuid import UUID

import numpy as np
from asyncpg.pgproto.pgproto import UUID as AsyncpgUUID  # noqa: N811 - a class
from numpy.typing import NDArray

from pipeline import messages
from pipeline.clock import accepted_at
from pipeline.messages import Chunk
from pipeline.rows import COLUMNS, Candidates, Row, account_users, same_content, transaction_ids

FOREVER: Final = datetime(9999, 1, 1, tzinfo=UTC)
_FIRST_VERSION: Final = ("added", "pending_posted")
_POSITION, _FIRST_POSITION = COLUMNS.index("position"), COLUMNS.index("first_position")


class Fate(IntEnum):
    """What became of one pushed row or removal; a user who was erased meanwhile: discarded."""

    ADDED = 0
    MODIFIED = 1
    UNCHANGED = 2
    REMOVED = 3
    DISCARDED = 4


class Absent(NamedTuple):
    """A transaction that was removed before it arrived: what was accepted by then stays out."""

    until: datetime


Version = Row | Absent | None


class Identity(NamedTuple):
    """A row of `identity`: where a transaction is, or until when it is kept out."""

    booked_on: date | None
    removed_at: datetime | None
    user_id: UUID
    id: UUID


class Removal(NamedTuple):
    """A removal by the provider, within the chunk's part."""

    id: bytes
    user: int
    part: int
    accepted_at: datetime


@dataclass(slots=True)
class Changes:
    """What the store must do.

    `copies` are the columns of the table, `deletes` old versions, identities are rows of that
    table, `positions` the feeds after the chunk, `fates` counts by part and Fate.
    """

    copies: list[list[Any]]
    deletes: list[Row] = field(default_factory=list)
    identities_new: list[Identity] = field(default_factory=list)
    identities_moved: list[Identity] = field(default_factory=list)
    positions: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    fates: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 5), np.int64))


def removals(chunk: Chunk, users: list[bytes]) -> list[Removal]:
    """The chunk's removals, with the ids of the transactions that they name."""
    if not chunk.removed_transaction_id:
        return []
    account = messages.column(chunk.removed_account, np.int32)
    ids = transaction_ids([chunk.accounts[a] for a in account], chunk.removed_transaction_id)
    user = account_users(chunk, users)[account].tolist()
    part = np.repeat(np.arange(len(chunk.parts)), [p.removals for p in chunk.parts]).tolist()
    when = [accepted_at(p.ingest_id) for p in chunk.parts]
    return [Removal(i, u, p, when[p]) for i, u, p in zip(ids, user, part, strict=True)]


def pending_references(chunk: Chunk) -> dict[int, bytes]:
    """Row number -> id of the pending row that it names."""
    names = chunk.pending_transaction_id
    if names is None:
        return {}
    rows = [i for i, name in enumerate(names) if name is not None]
    account = messages.column(chunk.account, np.int32)[rows]
    ids = transaction_ids(
        [chunk.accounts[a] for a in account], [name for name in names if name is not None]
    )
    return dict(zip(rows, ids, strict=True))


class Walk:
    """The special transactions of a chunk, from what is stored to what will be."""

    def __init__(
        self,
        stored: Mapping[bytes, Row | Absent],
        users: list[bytes],
        feeds: NDArray[np.int64],
    ) -> None:
        self._stored = stored
        self._users = [AsyncpgUUID(user) for user in users]
        self._erased = set(np.flatnonzero(feeds < 0).tolist())
        self.current: dict[bytes, Version] = dict(stored)
        self.owner: dict[bytes, int] = {}

    def push(self, key: bytes, user: int, new: Row, pending: bytes | None) -> Fate:
        """One version arrives; `pending` is the id of the pending row that it names."""
        if user in self._erased:
            return Fate.DISCARDED
        self.owner[key] = user
        old = self.current.get(key)
        if isinstance(old, Absent) and new.accepted_at > old.until:
            old = None
        if old is not None and (isinstance(old, Absent) or not _replaces(new, old)):
            return Fate.UNCHANGED
        if pending is not None:
            new = self._settle(pending, user, new)
        self.current[key] = new if old is None else _updated(old, new)
        return Fate.ADDED if old is None else Fate.MODIFIED

    def remove(self, removal: Removal) -> Fate:
        if removal.user in self._erased:
            return Fate.DISCARDED
        self.owner[removal.id] = removal.user
        old = self.current.get(removal.id)
        if isinstance(old, Row):
            newer = old.reason in _FIRST_VERSION and old.accepted_at > removal.accepted_at
            if old.removed or newer:
                return Fate.UNCHANGED
            self.current[removal.id] = old._replace(removed=True, reason="removed")
            return Fate.REMOVED
        until = removal.accepted_at if old is None else max(old.until, removal.accepted_at)
        self.current[removal.id] = Absent(until)
        return Fate.UNCHANGED

    def _settle(self, pending: bytes, user: int, posted: Row) -> Row:
        """Remove the pending row, or keep it out for ever, and inherit from it."""
        self.owner[pending] = user
        old = self.current.get(pending)
        posted = posted._replace(reason="pending_posted")
        if not isinstance(old, Row):
            self.current[pending] = Absent(FOREVER)
            return posted
        if not old.removed:
            self.current[pending] = old._replace(removed=True, reason="pending_posted")
        return _with_users_category(old, posted)

    def settled(self, changes: Changes) -> list[tuple[int, Row]]:
        """Note deletes and identities; returns (user, new version) of each change to a reader."""
        versions = []
        for key, new in self.current.items():
            old = self._stored.get(key)
            if new is old or new is None:
                continue
            if isinstance(old, Row):
                changes.deletes.append(old)
            if isinstance(new, Row):
                versions.append((self.owner[key], new))
            if old is None or _place(old) != _place(new):
                entry = Identity(*_place(new), self._users[self.owner[key]], AsyncpgUUID(key))
                (changes.identities_new if old is None else changes.identities_moved).append(entry)
        return versions


def _replaces(new: Row, old: Row) -> bool:
    stale = old.removed or new.accepted_at < old.accepted_at
    return not stale and not same_content(old, new)


def _updated(old: Row, new: Row) -> Row:
    kept = new._replace(first_position=old.first_position, reason="provider_update")
    return _with_users_category(old, kept)


def _with_users_category(old: Row, new: Row) -> Row:
    if not old.locked:
        return new
    return new._replace(
        category=old.category,
        confidence=old.confidence,
        source=old.source,
        needs_review=old.needs_review,
        locked=True,
    )


def _place(version: Row | Absent) -> tuple[date | None, datetime | None]:
    if isinstance(version, Row):
        return version.booked_on, None
    return None, version.until


def plan(
    chunk: Chunk,
    pushed: Candidates,
    stored: Mapping[bytes, Row | Absent],
    feeds: NDArray[np.int64],
) -> Changes:
    """What the chunk changes, given the stored versions of its transactions.

    `feeds` are the positions of `pushed.users`, -1 for a user who was erased.
    """
    gone = removals(chunk, pushed.users)
    references = pending_references(chunk)
    special = _special(pushed, stored, gone, references) | (feeds[pushed.user] < 0)
    plain = ~special
    changes = Changes(_selected(pushed.columns, plain))
    walk = Walk(stored, pushed.users, feeds)
    row_fates, gone_fates = _walked(walk, pushed, special, gone, references)
    versions = walk.settled(changes)
    _add_plain_identities(changes)
    _append(changes.copies, [row for _, row in versions])
    owners = np.concatenate([pushed.user[plain], np.array([u for u, _ in versions], np.intp)])
    changes.positions = _number(changes.copies, owners, feeds)
    parts = np.concatenate([pushed.part, np.array([r.part for r in gone], np.intp)])
    changes.fates = _tally(len(chunk.parts), parts, np.concatenate([row_fates, gone_fates]))
    return changes


def _special(
    pushed: Candidates,
    stored: Mapping[bytes, Row | Absent],
    gone: list[Removal],
    references: dict[int, bytes],
) -> NDArray[np.bool_]:
    """Which rows need more than a copy."""
    keys = {*stored, *references.values(), *(r.id for r in gone)}
    keys.update(pushed.ids[i] for i in references)
    if len(set(pushed.ids)) < len(pushed):
        keys.update(i for i, count in Counter(pushed.ids).items() if count > 1)
    if not keys:
        return np.zeros(len(pushed), np.bool_)
    return np.fromiter((i in keys for i in pushed.ids), np.bool_, len(pushed))


def _walked(
    walk: Walk,
    pushed: Candidates,
    special: NDArray[np.bool_],
    gone: list[Removal],
    references: dict[int, bytes],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Fates of all rows and removals, walked part by part, each part's rows first."""
    rows = np.full(len(pushed), Fate.ADDED, np.int64)
    removed = np.zeros(len(gone), np.int64)
    events = [(int(pushed.part[i]), 0, i) for i in np.flatnonzero(special).tolist()]
    events += [(removal.part, 1, j) for j, removal in enumerate(gone)]
    for _, is_removal, i in sorted(events):
        if is_removal:
            removed[i] = walk.remove(gone[i])
        else:
            key, user = pushed.ids[i], int(pushed.user[i])
            rows[i] = walk.push(key, user, pushed.row(i), references.get(i))
    return rows, removed


def _selected(columns: list[Any], mask: NDArray[np.bool_]) -> list[list[Any]]:
    if mask.all():
        return [list(column) for column in columns]
    chosen = mask.tolist()
    return [list(compress(column, chosen)) for column in columns]


def _append(columns: list[list[Any]], rows: list[Row]) -> None:
    for column, values in zip(columns, zip(*rows, strict=True), strict=False):
        column.extend(values)


def _add_plain_identities(changes: Changes) -> None:
    booked_on = changes.copies[COLUMNS.index("booked_on")]
    user_id = changes.copies[COLUMNS.index("user_id")]
    ids = changes.copies[COLUMNS.index("id")]
    nothing = [None] * len(ids)
    plain = zip(booked_on, nothing, user_id, ids, strict=True)
    changes.identities_new.extend(map(Identity._make, plain))


def _number(
    columns: list[list[Any]], owners: NDArray[np.intp], feeds: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Give every copied row the next position of its user; returns the feeds afterwards."""
    order = np.argsort(owners, kind="stable")
    counts = np.bincount(owners, minlength=len(feeds))
    starts = np.cumsum(counts) - counts
    positions = np.empty(len(owners), np.int64)
    grouped = owners[order]
    positions[order] = feeds[grouped] + 1 + np.arange(len(owners)) - starts[grouped]
    columns[_POSITION] = positions.tolist()
    firsts = np.array(columns[_FIRST_POSITION], np.int64)
    columns[_FIRST_POSITION] = np.where(firsts == 0, positions, firsts).tolist()
    return feeds + counts


def _tally(parts: int, part: NDArray[np.intp], fates: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number of rows and removals by part and fate: int64[parts, 5]."""
    cells = np.bincount(part * len(Fate) + fates, minlength=parts * len(Fate))
    return cells.reshape(parts, len(Fate))
