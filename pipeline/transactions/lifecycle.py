"""The rules of one transaction's life, from its first version to its removal.

Unchanged content changes nothing. An older version never replaces a newer one, and a removed
transaction stays removed. A posted row removes the pending row that it names, in any month, and
inherits the user's category. That category survives every update of the provider.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from enum import IntEnum
from typing import Final, NamedTuple
from uuid import UUID

import numpy as np
from asyncpg.pgproto.pgproto import UUID as AsyncpgUUID  # noqa: N811 - a class
from numpy.typing import NDArray

from pipeline.transactions.identity import digest_identity
from pipeline.transactions.rows import CandidateRemoval, Row, has_same_content

FOREVER: Final = datetime(9999, 1, 1, tzinfo=UTC)
_FIRST_VERSION: Final = ("added", "pending_posted")


class Fate(IntEnum):
    """The fate of one pushed row or removal; it is discarded when its user was erased."""

    ADDED = 0
    MODIFIED = 1
    UNCHANGED = 2
    REMOVED = 3
    DISCARDED = 4


class Absent(NamedTuple):
    """A transaction that was removed before it arrived; versions accepted by `until` stay out."""

    until: datetime


Version = Row | Absent | None


class Identity(NamedTuple):
    """A row of `identity`: the day of a transaction, or the time until which it stays out."""

    digest: int
    booked_on: date | None
    removed_at: datetime | None
    user_id: UUID
    id: UUID


class Differences(NamedTuple):
    """Old versions to delete, and new versions with the index of the user of each in `owners`.

    `identities` are new; each of `moves` replaces a stored identity.
    """

    deletes: list[Row]
    owners: list[int]
    versions: list[Row]
    identities: list[Identity]
    moves: list[Identity]


class Walk:
    """Applies the pushed versions and removals of a chunk to its special transactions, in order."""

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

    def push_version(self, key: bytes, user: int, new: Row, pending: bytes | None) -> Fate:
        """Apply one pushed version; `pending` is the id of the pending row that it names."""
        if user in self._erased:
            return Fate.DISCARDED
        self.owner[key] = user
        old = self.current.get(key)
        if isinstance(old, Absent) and new.accepted_at > old.until:
            old = None
        if old is not None and (isinstance(old, Absent) or not _is_newer_content(new, old)):
            return Fate.UNCHANGED
        if pending is not None:
            new = self._settle_pending(pending, user, new)
        self.current[key] = new if old is None else _update_version(old, new)
        return Fate.ADDED if old is None else Fate.MODIFIED

    def remove_transaction(self, removal: CandidateRemoval) -> Fate:
        """Apply one removal by the provider."""
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

    def _settle_pending(self, pending: bytes, user: int, posted: Row) -> Row:
        """Remove the pending row, or keep it out for ever; the posted row inherits its category."""
        self.owner[pending] = user
        old = self.current.get(pending)
        posted = posted._replace(reason="pending_posted")
        if not isinstance(old, Row):
            self.current[pending] = Absent(FOREVER)
            return posted
        if not old.removed:
            self.current[pending] = old._replace(removed=True, reason="pending_posted")
        return _keep_user_category(old, posted)

    def list_differences(self) -> Differences:
        """Compare the versions at the end with the stored ones."""
        differences = Differences([], [], [], [], [])
        for key, new in self.current.items():
            old = self._stored.get(key)
            if new is old or new is None:
                continue
            if isinstance(old, Row):
                differences.deletes.append(old)
            if isinstance(new, Row):
                differences.owners.append(self.owner[key])
                differences.versions.append(new)
            if old is None or _locate_version(old) != _locate_version(new):
                user, transaction = self._users[self.owner[key]], AsyncpgUUID(key)
                entry = Identity(
                    digest_identity(user, transaction), *_locate_version(new), user, transaction
                )
                (differences.identities if old is None else differences.moves).append(entry)
        return differences


def _is_newer_content(new: Row, old: Row) -> bool:
    stale = old.removed or new.accepted_at < old.accepted_at
    return not stale and not has_same_content(old, new)


def _update_version(old: Row, new: Row) -> Row:
    kept = new._replace(first_position=old.first_position, reason="provider_update")
    return _keep_user_category(old, kept)


def _keep_user_category(old: Row, new: Row) -> Row:
    if not old.locked:
        return new
    inherited: Row = new._replace(
        category=old.category,
        confidence=old.confidence,
        source=old.source,
        needs_review=old.needs_review,
        locked=True,
    )
    return inherited


def _locate_version(version: Row | Absent) -> tuple[date | None, datetime | None]:
    if isinstance(version, Row):
        return version.booked_on, None
    return None, version.until
