"""Accepted rows as plain columns, between the request and the chunk that carries them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from itertools import chain, compress
from operator import itemgetter
from types import MappingProxyType
from typing import Any, Final, TypeVar

import numpy as np

from pipeline.accounts import Owner
from pipeline.messages import NO_DATE, SCHEMA, Chunk, Part

T = TypeVar("T")
Chosen = Callable[[Sequence[Any]], Sequence[Any]]
_UNIX_ORDINAL: Final = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Rows and removals of one request; lists of one length each.

    Days are ordinals (authorized: 0 for none), amounts minor units, mcc 0 for none. `owners`
    holds every account named.
    """

    owners: dict[str, Owner]
    account: Sequence[str]
    transaction_id: Sequence[str]
    date: Sequence[int]
    amount: Sequence[int]
    currency: Sequence[str]
    description: Sequence[str]
    pending: Sequence[bool]
    mcc: Sequence[int]
    authorized: Sequence[int]
    merchant_name: Sequence[str | None]
    pending_transaction_id: Sequence[str | None]
    provider_category: Sequence[str | None]
    metadata: Sequence[str | None]
    removed_account: Sequence[str]
    removed_transaction_id: Sequence[str]

    @property
    def rows(self) -> int:
        return len(self.account)

    @property
    def removals(self) -> int:
        return len(self.removed_account)

    def __len__(self) -> int:
        return self.rows + self.removals

    def users(self) -> set[bytes]:
        """The users (16 bytes) whose feeds these change."""
        return {owner.user_id for owner in self.owners.values()}

    def split(self, size: int) -> Iterator[Columns]:
        """Pieces of at most `size` rows and removals, removals last."""
        if len(self) <= size:
            yield self
            return
        for start in range(0, len(self), size):
            stop = min(start + size, len(self))
            rows = slice(start, stop)
            removals = slice(max(0, start - self.rows), max(0, stop - self.rows))
            yield self._piece(itemgetter(rows), itemgetter(removals))

    def by_user(self, lanes: int, *, whole: int) -> Iterator[tuple[int, Columns]]:
        """The lanes that these users belong to, each with its rows and removals, in their order.

        Up to `whole` rows and removals stay together, in the lane of one of their users.
        """
        lane = {
            account: int.from_bytes(owner.user_id[-4:], "big") % lanes
            for account, owner in self.owners.items()
        }
        chosen = sorted(set(lane.values()))
        if len(chosen) == 1 or len(self) <= whole:
            yield chosen[0], self
            return
        rows = [lane[account] for account in self.account]
        removals = [lane[account] for account in self.removed_account]
        for number in chosen:
            yield number, self._piece(_where(rows, number), _where(removals, number))

    def _piece(self, rows: Chosen, removals: Chosen) -> Columns:
        pieces = {name: rows(getattr(self, name)) for name in _ROWS}
        pieces |= {name: removals(getattr(self, name)) for name in _REMOVALS}
        named = {*pieces["account"], *pieces["removed_account"]}
        return Columns(owners={name: self.owners[name] for name in named}, **pieces)


def _where(lanes: list[int], number: int) -> Chosen:
    """What picks the elements of that lane out of a column."""
    chosen = [lane == number for lane in lanes]
    return lambda column: list(compress(column, chosen))


_REMOVALS: Final = ("removed_account", "removed_transaction_id")
_ROWS: Final = tuple(
    field.name for field in fields(Columns) if field.name not in {"owners", *_REMOVALS}
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
    owners: dict[str, Owner] = {}
    for piece in pieces:
        owners |= piece.owners
    places = {account: index for index, account in enumerate(owners)}
    currency = _joined(pieces, "currency")
    currencies = {code: index for index, code in enumerate(dict.fromkeys(currency))}
    mcc = np.array(_joined(pieces, "mcc"), np.int16)
    authorized = np.array(_joined(pieces, "authorized"), np.int32)
    return Chunk(
        schema=SCHEMA,
        chunk_id=chunk_id,
        parts=[Part(ingest, number, c.rows, c.removals) for ingest, number, c in parts],
        accounts=[owner.account_id for owner in owners.values()],
        users=[owner.user_id for owner in owners.values()],
        currencies=list(currencies),
        account=_places(places, _joined(pieces, "account"), np.int32),
        currency=_places(currencies, currency, np.uint8),
        date=(np.array(_joined(pieces, "date"), np.int32) - _UNIX_ORDINAL).astype("<i4").tobytes(),
        amount=np.array(_joined(pieces, "amount"), np.int64).tobytes(),
        pending=bytes(_joined(pieces, "pending")),
        transaction_id=_joined(pieces, "transaction_id"),
        description=_joined(pieces, "description"),
        mcc=mcc.tobytes() if mcc.any() else None,
        authorized=_authorized(authorized) if authorized.any() else None,
        merchant_name=_if_any(_joined(pieces, "merchant_name")),
        pending_transaction_id=_if_any(_joined(pieces, "pending_transaction_id")),
        provider_category=_if_any(_joined(pieces, "provider_category")),
        metadata=_if_any(_joined(pieces, "metadata")),
        removed_account=_places(places, _joined(pieces, "removed_account"), np.int32),
        removed_transaction_id=_joined(pieces, "removed_transaction_id"),
        trace=dict(trace),
    )


def _joined(pieces: Sequence[Columns], name: str) -> list[Any]:
    return list(chain.from_iterable(getattr(piece, name) for piece in pieces))


def _places(places: dict[str, int], values: Iterable[str], dtype: type[np.generic]) -> bytes:
    return np.array([places[value] for value in values], dtype).tobytes()


def _authorized(ordinals: np.ndarray[Any, np.dtype[np.int32]]) -> bytes:
    return np.where(ordinals > 0, ordinals - _UNIX_ORDINAL, NO_DATE).astype(np.int32).tobytes()


def _if_any(column: list[T | None]) -> list[T | None] | None:
    return column if any(column) else None
