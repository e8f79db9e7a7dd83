"""Accepted rows as plain columns, between the request and the chunk that carries them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import chain, compress
from types import MappingProxyType
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.access.accounts import Owner
from pipeline.transactions.chunk import NO_DATE, SCHEMA, Chunk, Part

T = TypeVar("T")
Chosen = slice | NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Rows and removals of one request; columns of one length each.

    `account` and `removed_account` are places in `owners`, `currency` in `currencies`. Days are since
    1970 (authorized: NO_DATE for none), amounts minor units, mcc 0 for none. What no row has may be
    absent (None).
    """

    owners: Sequence[Owner]
    currencies: Sequence[str]
    account: NDArray[np.int32]
    transaction_id: Sequence[str]
    date: NDArray[np.int32]
    amount: NDArray[np.int64]
    currency: NDArray[np.uint8]
    description: Sequence[str]
    pending: NDArray[np.bool_]
    mcc: NDArray[np.int16] | None
    authorized: NDArray[np.int32] | None
    merchant_name: Sequence[str | None] | None
    pending_transaction_id: Sequence[str | None] | None
    provider_category: Sequence[str | None] | None
    metadata: Sequence[str | None] | None
    removed_account: NDArray[np.int32]
    removed_transaction_id: Sequence[str]

    @property
    def rows(self) -> int:
        return len(self.transaction_id)

    @property
    def removals(self) -> int:
        return len(self.removed_transaction_id)

    def __len__(self) -> int:
        return self.rows + self.removals

    def users(self) -> set[bytes]:
        """The users (16 bytes) whose feeds these change."""
        return {owner.user_id for owner in self.owners}

    def split(self, size: int) -> Iterator[Columns]:
        """Pieces of at most `size` rows and removals, removals last."""
        if len(self) <= size:
            yield self
            return
        for start in range(0, len(self), size):
            stop = min(start + size, len(self))
            removals = slice(max(0, start - self.rows), max(0, stop - self.rows))
            yield self._piece(slice(start, stop), removals)

    def by_user(self, lanes: int, *, whole: int) -> Iterator[tuple[int, Columns]]:
        """The lanes that these users belong to, each with its rows and removals, in their order.

        Up to `whole` rows and removals stay together, in the lane of one of their users.
        """
        lane = np.array([int.from_bytes(o.user_id[-4:], "big") % lanes for o in self.owners])
        chosen = np.unique(lane).tolist()
        if len(chosen) == 1 or len(self) <= whole:
            yield chosen[0], self
            return
        rows, removals = lane[self.account], lane[self.removed_account]
        for number in chosen:
            yield number, self._piece(rows == number, removals == number)

    def _piece(self, rows: Chosen, removals: Chosen) -> Columns:
        """These rows and removals, with the owners of all."""
        pieces = {name: _chosen(getattr(self, name), rows) for name in _ROWS}
        pieces |= {name: _chosen(getattr(self, name), removals) for name in _REMOVALS}
        return Columns(owners=self.owners, currencies=self.currencies, **pieces)


_DICTIONARIES: Final = ("owners", "currencies")
_REMOVALS: Final = ("removed_account", "removed_transaction_id")
_ROWS: Final = tuple(
    field.name for field in fields(Columns) if field.name not in {*_DICTIONARIES, *_REMOVALS}
)


def chunk_of(
    chunk_id: bytes,
    parts: Sequence[tuple[bytes, int, Columns]],
    trace: Mapping[str, str] = MappingProxyType({}),
) -> Chunk:
    """One chunk of (ingest id, number of the part, columns), in this order.

    `trace` tells the request of each ingest (hexadecimal), for logs.
    """
    pieces = [columns for _, _, columns in parts]
    owners: dict[Owner, int] = {}
    account, removed_account = _accounts(pieces, owners)
    currencies: dict[str, int] = {}
    return Chunk(
        schema=SCHEMA,
        chunk_id=chunk_id,
        parts=[Part(ingest, number, c.rows, c.removals) for ingest, number, c in parts],
        accounts=[owner.account_id for owner in owners],
        users=[owner.user_id for owner in owners],
        account=account.tobytes(),
        currency=_currency(pieces, currencies).tobytes(),
        currencies=list(currencies),
        date=_numbers(pieces, "date"),
        amount=_numbers(pieces, "amount"),
        pending=_numbers(pieces, "pending"),
        transaction_id=_texts(pieces, "transaction_id"),
        description=_texts(pieces, "description"),
        mcc=_optional_numbers(pieces, "mcc", 0),
        authorized=_optional_numbers(pieces, "authorized", NO_DATE),
        merchant_name=_optional_texts(pieces, "merchant_name"),
        pending_transaction_id=_optional_texts(pieces, "pending_transaction_id"),
        provider_category=_optional_texts(pieces, "provider_category"),
        metadata=_optional_texts(pieces, "metadata"),
        removed_account=removed_account.tobytes(),
        removed_transaction_id=_texts(pieces, "removed_transaction_id"),
        trace=dict(trace),
    )


def _chosen(column: Any, which: Chosen) -> Any:
    if column is None:
        return None
    if isinstance(which, slice) or isinstance(column, np.ndarray):
        return column[which]
    return list(compress(column, which.tolist()))


def _accounts(
    pieces: Sequence[Columns], owners: dict[Owner, int]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """The accounts of all rows and of all removals as places in `owners`, to which new ones are added."""
    rows, removals = [], []
    for piece in pieces:
        place = np.zeros(len(piece.owners), np.int32)
        named = np.bincount(np.concatenate([piece.account, piece.removed_account]))
        for old in np.flatnonzero(named).tolist():
            place[old] = owners.setdefault(piece.owners[old], len(owners))
        rows.append(place[piece.account])
        removals.append(place[piece.removed_account])
    return np.concatenate(rows), np.concatenate(removals)


def _currency(pieces: Sequence[Columns], currencies: dict[str, int]) -> NDArray[np.uint8]:
    """The currency of all rows as places in `currencies`, to which new ones are added."""
    columns = []
    for piece in pieces:
        place = [currencies.setdefault(code, len(currencies)) for code in piece.currencies]
        columns.append(np.array(place, np.uint8)[piece.currency])
    return np.concatenate(columns)


def _numbers(pieces: Sequence[Columns], name: str) -> bytes:
    return b"".join([getattr(piece, name).tobytes() for piece in pieces])


def _texts(pieces: Sequence[Columns], name: str) -> list[Any]:
    return list(chain.from_iterable([getattr(piece, name) for piece in pieces]))


def _optional_numbers(pieces: Sequence[Columns], name: str, none: int) -> bytes | None:
    columns = [getattr(piece, name) for piece in pieces]
    dtype = next((column.dtype for column in columns if column is not None), None)
    if dtype is None:
        return None
    return b"".join(
        [
            (np.full(piece.rows, none, dtype) if column is None else column).tobytes()
            for piece, column in zip(pieces, columns, strict=True)
        ]
    )


def _optional_texts(pieces: Sequence[Columns], name: str) -> list[Any] | None:
    columns = [getattr(piece, name) for piece in pieces]
    filled = [column or [None] * piece.rows for piece, column in zip(pieces, columns, strict=True)]
    joined = list(chain.from_iterable(filled)) if any(columns) else []
    return joined if any(joined) else None
