"""What a chunk changes in the store, without any I/O.

Most rows of a chunk are plainly new and stay in their columns. The others (already stored, twice
in the chunk, removed, or tied to a pending row) are walked one by one, in the order in which they
were accepted, each against its current version. A change is always the same thing to the store:
the old version is deleted, the new one copied.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import compress
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.transactions.columns import (
    IDENTITY_COLUMNS,
    NO_TIME,
    TRANSACTION_COLUMNS,
    Column,
    Values,
    to_elements,
)
from pipeline.transactions.lifecycle import Absent, Fate, Identity, Walk
from pipeline.transactions.rows import Candidates, Row


@dataclass(slots=True)
class Changes:
    """What the store must do.

    `copies` and `identities` are columns to copy into `transactions` and `identity`, `deletes`
    old versions, `moves` identities that changed, `positions` the feeds after the chunk,
    `fates` counts by part and Fate.
    """

    copies: dict[str, Values] = field(default_factory=dict)
    deletes: list[Row] = field(default_factory=list)
    identities: dict[str, Values] = field(default_factory=dict)
    moves: list[Identity] = field(default_factory=list)
    positions: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    fates: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 5), np.int64))


def plan(
    pushed: Candidates,
    stored: Mapping[bytes, Row | Absent],
    feeds: NDArray[np.int64],
) -> Changes:
    """What the chunk changes, given the stored versions of its transactions.

    `feeds` are the positions of `pushed.users`, -1 for a user who was erased.
    """
    special = _special(pushed, stored) | (feeds[pushed.user] < 0)
    plain = ~special
    walk = Walk(stored, pushed.users, feeds)
    row_fates, gone_fates = _walked(walk, pushed, special)
    walked = walk.list_differences()
    changes = Changes(deletes=walked.deletes, moves=walked.moves)
    columns = _selected(pushed.columns, plain)
    changes.identities = _with_plain_identities(columns, pushed.digest[plain], walked.identities)
    owners = np.concatenate([pushed.user[plain], np.array(walked.owners, np.intp)])
    positions, changes.positions = _numbered(owners, feeds)
    changes.copies = _with_versions(columns, walked.versions, positions)
    parts = np.concatenate([pushed.part, np.array([r.part for r in pushed.removals], np.intp)])
    changes.fates = _tally(pushed.parts, parts, np.concatenate([row_fates, gone_fates]))
    return changes


def _special(pushed: Candidates, stored: Mapping[bytes, Row | Absent]) -> NDArray[np.bool_]:
    """Which rows need more than a copy; told by half of their ids, which may name one too many."""
    known = b"".join([*stored, *pushed.references.values(), *(r.id for r in pushed.removals)])
    ids = _halves(pushed.ids)
    ordered = np.sort(ids)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    special = np.isin(ids, np.concatenate([_halves(np.frombuffer(known, "V16")), twice]))
    special[list(pushed.references)] = True
    return special


def _halves(ids: NDArray[np.void]) -> NDArray[np.int64]:
    return ids.view(np.int64)[::2]


def _walked(
    walk: Walk,
    pushed: Candidates,
    special: NDArray[np.bool_],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Fates of all rows and removals, walked part by part, each part's rows first."""
    rows = np.full(len(pushed), Fate.ADDED, np.int64)
    removed = np.zeros(len(pushed.removals), np.int64)
    chosen = np.flatnonzero(special)
    versions = dict(zip(chosen.tolist(), pushed.rows(chosen), strict=True))
    events = [(int(pushed.part[i]), 0, i) for i in versions]
    events += [(removal.part, 1, j) for j, removal in enumerate(pushed.removals)]
    for _, is_removal, i in sorted(events):
        if is_removal:
            removed[i] = walk.remove(pushed.removals[i])
        else:
            key, user = pushed.ids[i].tobytes(), int(pushed.user[i])
            rows[i] = walk.push(key, user, versions[i], pushed.references.get(i))
    return rows, removed


def _selected(columns: Mapping[str, Values], mask: NDArray[np.bool_]) -> dict[str, Values]:
    if mask.all():
        return dict(columns)
    chosen = mask.tolist()
    return {
        name: list(compress(column, chosen)) if isinstance(column, list) else column[mask]
        for name, column in columns.items()
    }


def _with_plain_identities(
    columns: Mapping[str, Values], digests: NDArray[np.int64], identities: list[Identity]
) -> dict[str, Values]:
    plain: dict[str, Values] = {
        "digest": digests,
        "removed_at": np.full(len(digests), NO_TIME, ">i8"),
        **{name: columns[name] for name in ("booked_on", "user_id", "id")},
    }
    return _joined(IDENTITY_COLUMNS, plain, identities)


def _with_versions(
    columns: Mapping[str, Values], versions: list[Row], positions: NDArray[np.int64]
) -> dict[str, Values]:
    """The plain rows, then the walked ones; a row that first appears now starts at its position."""
    copies = _joined(TRANSACTION_COLUMNS, columns, versions)
    firsts = positions.copy()
    plain = len(positions) - len(versions)
    firsts[plain:] = [
        row.first_position or position
        for row, position in zip(versions, positions[plain:].tolist(), strict=True)
    ]
    return copies | {"position": positions.astype(">i8"), "first_position": firsts.astype(">i8")}


def _joined(
    table: Sequence[Column], columns: Mapping[str, Values], rows: Sequence[NamedTuple]
) -> dict[str, Values]:
    """The columns, each followed by its values of these rows."""
    if not rows:
        return dict(columns)
    return {
        column.name: _followed(columns[column.name], column, rows)
        for column in table
        if column.name in columns
    }


def _followed(values: Values, column: Column, rows: Sequence[NamedTuple]) -> Values:
    more = to_elements(column.kind, [getattr(row, column.name) for row in rows])
    if isinstance(values, list):
        return [*values, *more]
    return np.concatenate([values, more]).astype(values.dtype)  # concatenate is native-endian


def _numbered(
    owners: NDArray[np.intp], feeds: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The next positions of each change's user in turn, and the feeds afterwards."""
    order = np.argsort(owners, kind="stable")
    counts = np.bincount(owners, minlength=len(feeds))
    starts = np.cumsum(counts) - counts
    positions = np.empty(len(owners), np.int64)
    grouped = owners[order]
    positions[order] = feeds[grouped] + 1 + np.arange(len(owners)) - starts[grouped]
    return positions, feeds + counts


def _tally(parts: int, part: NDArray[np.intp], fates: NDArray[np.int64]) -> NDArray[np.int64]:
    """Number of rows and removals by part and fate: int64[parts, 5]."""
    cells = np.bincount(part * len(Fate) + fates, minlength=parts * len(Fate))
    return cells.reshape(parts, len(Fate))
