"""A store in memory that carries out Changes, as PostgreSQL does."""

from __future__ import annotations

from uuid import UUID

import numpy as np

from pipeline.transactions.changes import Changes, plan_changes
from pipeline.transactions.chunk import Chunk
from pipeline.transactions.columns import IDENTITY_COLUMNS, TRANSACTION_COLUMNS, to_values
from pipeline.transactions.lifecycle import Absent
from pipeline.transactions.rows import Row, Scored, make_candidates


def _rows(table, columns):
    rows = np.arange(len(columns["id"]))
    loaded = {column.name: to_values(column, columns[column.name], rows) for column in table}
    return [{name: loaded[name][row] for name in loaded} for row in rows.tolist()]


class MemoryStore:
    """Transactions, identities and feeds in dicts; every rule of uniqueness is asserted."""

    def __init__(self, *users: bytes) -> None:
        self.transactions: dict[tuple[UUID, object, UUID], Row] = {}
        self.identity: dict[UUID, tuple[object, object]] = {}
        self.feeds: dict[bytes, int] = dict.fromkeys(users, 0)

    def write(self, chunk: Chunk, scored: Scored) -> Changes:
        pushed = make_candidates(chunk, scored)
        feeds = np.array([self.feeds.get(user, -1) for user in pushed.users], np.int64)
        changes = plan_changes(pushed, self._stored(), feeds)
        self._carry_out(changes)
        for user, position in zip(pushed.users, changes.positions.tolist(), strict=True):
            if position >= 0:
                self.feeds[user] = position
        return changes

    def _stored(self) -> dict[bytes, Row | Absent]:
        at = {key[2]: row for key, row in self.transactions.items()}
        return {
            key.bytes: Absent(until) if day is None else at[key]
            for key, (day, until) in self.identity.items()
        }

    def _carry_out(self, changes: Changes) -> None:
        for row in changes.deletes:
            del self.transactions[row.user_id, row.booked_on, row.id]
        for entry in changes.moves:
            assert entry.id in self.identity
            self.identity[entry.id] = (entry.booked_on, entry.removed_at)
        for entry in _rows(IDENTITY_COLUMNS, changes.identities):
            assert entry["id"] not in self.identity
            self.identity[entry["id"]] = (entry["booked_on"], entry["removed_at"])
        for values in _rows(TRANSACTION_COLUMNS, changes.copies):
            row = Row(**values)
            key = (row.user_id, row.booked_on, row.id)
            assert key not in self.transactions
            self.transactions[key] = row

    def lock(self, transaction_id: str, category: str) -> None:
        """What a user's own correction leaves in a row."""
        for key, row in self.transactions.items():
            if row.transaction_id == transaction_id:
                self.transactions[key] = row._replace(
                    category=category, source="user", confidence=1.0, locked=True
                )

    def feed(self) -> dict[str, Row]:
        """Rows that a reader sees, by account-free bank-side id (tests use distinct ones)."""
        return {r.transaction_id: r for r in self.transactions.values() if not r.removed}
