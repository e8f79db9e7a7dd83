"""The id of a transaction, equal on all machines, and the digest by which the store finds it."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha1
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

_LAST = 0xFFFFFFFF


def make_transaction_ids(accounts: Sequence[bytes], transaction_ids: Sequence[str]) -> bytes:
    """UUIDv5 of each account (16 bytes) and bank-side id: 16 bytes each, joined."""
    digests = b"".join(
        [
            sha1(account + text.encode(), usedforsecurity=False).digest()
            for account, text in zip(accounts, transaction_ids, strict=True)
        ]
    )
    ids = np.frombuffer(digests, np.uint8).reshape(-1, 20)[:, :16].copy()
    ids[:, 6] = ids[:, 6] & 0x0F | 0x50
    ids[:, 8] = ids[:, 8] & 0x3F | 0x80
    return ids.tobytes()


def split_ids(joined: bytes) -> list[bytes]:
    """Cut joined ids into ids of 16 bytes."""
    return [joined[i : i + 16] for i in range(0, len(joined), 16)]


def digest_identities(users: NDArray[np.void], ids: NDArray[np.void]) -> NDArray[Any]:
    """Digests of transactions by user and id (V16 each), as big-endian int64.

    A digest is 32 bits of the user and 32 bits of the id. Two transactions may share one, and the
    transactions of a user have adjacent digests.
    """
    halves = np.empty((len(ids), 2), ">u4")
    halves[:, 0] = users.view(">u4")[::4]
    halves[:, 1] = ids.view(">u4")[::4]
    return halves.view(">i8")[:, 0]


def digest_identity(user_id: UUID, transaction: UUID) -> int:
    """The digest of one transaction of a user."""
    return int.from_bytes(user_id.bytes[:4] + transaction.bytes[:4], "big", signed=True)


def bound_user_digests(user_id: UUID) -> tuple[int, int]:
    """The first and the last digest that a transaction of the user can have."""
    first = digest_identity(user_id, UUID(int=0))
    return first, first | _LAST
