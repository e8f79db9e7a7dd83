"""What a chunk changes in the store, without any I/O.

Most rows of a chunk are new and stay in their columns. Special rows are stored already, occur
twice in the chunk, were removed, or name a pending row. They are compared one by one with their
current version, in the order of acceptance. The store changes a row in one way: it deletes the old
version and copies the new one.
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

    `copies` and `identities` are columns to copy into `transactions` and `identity`. `deletes` are
    old versions, `moves` changed identities. `positions` are those of the feeds after the chunk,
    and `fates` are counts by part and Fate.
    """

    copies: dict[str, Values] = field(default_factory=dict)
    deletes: list[Row] = field(default_factory=list)
    identities: dict[str, Values] = field(default_factory=dict)
    moves: list[Identity] = field(default_factory=list)
    positions: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    fates: NDArray[np.int64] = field(default_factory=lambda: np.zeros((0, 5), np.int64))


def plan_changes(
    pushed: Candidates,
    stored: Mapping[bytes, Row | Absent],
    feeds: NDArray[np.int64],
) -> Changes:
    """Compare the versions of a chunk with the stored versions of its transactions.

    `feeds` are the positions of `pushed.users`, -1 for a user who was erased.
    """
    special = _find_special(pushed, stored) | (feeds[pushed.user] < 0)
    plain = ~special
    walk = Walk(stored, pushed.users, feeds)
    row_fates, gone_fates = _walk_special(walk, pushed, special)
    walked = walk.list_differences()
    changes = Changes(deletes=walked.deletes, moves=walked.moves)
    columns = _select_rows(pushed.columns, plain)
    changes.identities = _join_identities(columns, pushed.digest[plain], walked.identities)
    owners = np.concatenate([pushed.user[plain], np.array(walked.owners, np.intp)])
    positions, changes.positions = _number_changes(owners, feeds)
    changes.copies = _join_versions(columns, walked.versions, positions)
    parts = np.concatenate([pushed.part, np.array([r.part for r in pushed.removals], np.intp)])
    changes.fates = _count_fates(pushed.parts, parts, np.concatenate([row_fates, gone_fates]))
    return changes


def _find_special(pushed: Candidates, stored: Mapping[bytes, Row | Absent]) -> NDArray[np.bool_]:
    """The rows that need more than a copy; half of an id decides, which may select one too many."""
    named = b"".join([*stored, *pushed.references.values(), *(r.id for r in pushed.removals)])
    ids = _read_first_halves(pushed.ids)
    ordered = np.sort(ids)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    special = np.isin(ids, np.concatenate([_read_first_halves(np.frombuffer(named, "V16")), twice]))
    special[list(pushed.references)] = True
    return special


def _read_first_halves(ids: NDArray[np.void]) -> NDArray[np.int64]:
    return ids.view(np.int64)[::2]


def _walk_special(
    walk: Walk,
    pushed: Candidates,
    special: NDArray[np.bool_],
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The fates of all rows and removals; each part's rows come before its removals."""
    rows = np.full(len(pushed), Fate.ADDED, np.int64)
    removed = np.zeros(len(pushed.removals), np.int64)
    chosen = np.flatnonzero(special)
    versions = dict(zip(chosen.tolist(), pushed.rows(chosen), strict=True))
    events = [(int(pushed.part[i]), 0, i) for i in versions]
    events += [(removal.part, 1, j) for j, removal in enumerate(pushed.removals)]
    for _, is_removal, i in sorted(events):
        if is_removal:
            removed[i] = walk.remove_transaction(pushed.removals[i])
        else:
            key, user = pushed.ids[i].tobytes(), int(pushed.user[i])
            rows[i] = walk.push_version(key, user, versions[i], pushed.references.get(i))
    return rows, removed


def _select_rows(columns: Mapping[str, Values], mask: NDArray[np.bool_]) -> dict[str, Values]:
    if mask.all():
        return dict(columns)
    chosen = mask.tolist()
    return {
        name: list(compress(column, chosen)) if isinstance(column, list) else column[mask]
        for name, column in columns.items()
    }


def _join_identities(
    columns: Mapping[str, Values], digests: NDArray[np.int64], identities: list[Identity]
) -> dict[str, Values]:
    plain: dict[str, Values] = {
        "digest": digests,
        "removed_at": np.full(len(digests), NO_TIME, ">i8"),
        **{name: columns[name] for name in ("booked_on", "user_id", "id")},
    }
    return _append_rows(IDENTITY_COLUMNS, plain, identities)


def _join_versions(
    columns: Mapping[str, Values], versions: list[Row], positions: NDArray[np.int64]
) -> dict[str, Values]:
    """Plain rows, then special ones; a new row has its own position as its first position."""
    copies = _append_rows(TRANSACTION_COLUMNS, columns, versions)
    firsts = positions.copy()
    plain = len(positions) - len(versions)
    firsts[plain:] = [
        row.first_position or position
        for row, position in zip(versions, positions[plain:].tolist(), strict=True)
    ]
    return copies | {"position": positions.astype(">i8"), "first_position": firsts.astype(">i8")}


def _append_rows(
    table: Sequence[Column], columns: Mapping[str, Values], rows: Sequence[NamedTuple]
) -> dict[str, Values]:
    """Append the values of these rows to each of the columns."""
    if not rows:
        return dict(columns)
    return {
        column.name: _append_values(columns[column.name], column, rows)
        for column in table
        if column.name in columns
    }


def _append_values(values: Values, column: Column, rows: Sequence[NamedTuple]) -> Values:
    more = to_elements(column.kind, [getattr(row, column.name) for row in rows])
    if isinstance(values, list):
        return [*values, *more]
    return np.concatenate([values, more]).astype(
        values.dtype
    )  # concatenate returns native byte order


def _number_changes(
    owners: NDArray[np.intp], feeds: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Give each change the next position of its user; also returns the feeds afterwards."""
    order = np.argsort(owners, kind="stable")
    counts = np.bincount(owners, minlength=len(feeds))
    starts = np.cumsum(counts) - counts
    positions = np.empty(len(owners), np.int64)
    grouped = owners[order]
    positions[order] = feeds[grouped] + 1 + np.arange(len(owners)) - starts[grouped]
    return positions, feeds + counts


def _count_fates(parts: int, part: NDArray[np.intp], fates: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count rows and removals by part and fate: int64[parts, 5]."""
    cells = np.bincount(part * len(Fate) + fates, minlength=parts * len(Fate))
    return cells.reshape(parts, len(Fate))
