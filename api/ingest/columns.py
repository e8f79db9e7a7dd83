"""Accepted rows as columns, between the request and the chunk that carries them."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, compress, repeat
from types import MappingProxyType
from typing import Any, Final, TypeVar

import numpy as np
from msgspec import UNSET, Raw, UnsetType
from numpy.typing import NDArray

from api.ingest.parse import Items
from pipeline.access.accounts import Owner
from pipeline.transactions.chunk import CODE, PLACE, SCHEMA, Chunk, Part
from pipeline.transactions.columns import (
    BOOLEAN,
    CHUNK_COLUMNS,
    DATE,
    JSON,
    NO_DATE,
    NO_TIME,
    SMALLINT,
    TEXT,
    TIMESTAMP,
    Column,
)

NO_METADATA: Final = frozenset({b"", b"{}", b"null"})
_UNIX_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_UNIX_ORDINAL: Final = _UNIX_EPOCH.toordinal()
_MICROSECOND: Final = dt.timedelta(microseconds=1)

N = TypeVar("N", bound=np.generic)
Chosen = slice | NDArray[np.bool_]
Values = NDArray[Any] | Sequence[str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class PushedColumns:
    """Rows and removals of one request, as columns of equal length.

    `account` and `removed_account` are indexes into `owners`, `currency` into `currencies`.
    `values` holds the other columns of a chunk by name. A nullable column without values may be
    absent.
    """

    owners: Sequence[Owner]
    currencies: Sequence[str]
    account: NDArray[np.int32]
    currency: NDArray[np.uint8]
    values: Mapping[str, Values]
    removed_account: NDArray[np.int32]
    removed_transaction_id: Sequence[str]

    @property
    def rows(self) -> int:
        return len(self.account)

    @property
    def removals(self) -> int:
        return len(self.removed_account)

    def __len__(self) -> int:
        return self.rows + self.removals

    def list_users(self) -> set[bytes]:
        """List the users (16 bytes each) whose feeds these rows change."""
        return {owner.user_id for owner in self.owners}

    def split_rows(self, size: int) -> Iterator[PushedColumns]:
        """Yield pieces of at most `size` rows and removals; removals come last."""
        if len(self) <= size:
            yield self
            return
        for start in range(0, len(self), size):
            stop = min(start + size, len(self))
            removals = slice(max(0, start - self.rows), max(0, stop - self.rows))
            yield self._choose_rows(slice(start, stop), removals)

    def split_by_user(self, lanes: int, *, whole: int) -> Iterator[tuple[int, PushedColumns]]:
        """Yield each lane of these users with its rows and removals, in their order.

        Up to `whole` rows and removals stay together in the lane of one of their users.
        """
        lane = np.array([int.from_bytes(o.user_id[-4:], "big") % lanes for o in self.owners])
        chosen = np.unique(lane).tolist()
        if len(chosen) == 1 or len(self) <= whole:
            yield chosen[0], self
            return
        rows, removals = lane[self.account], lane[self.removed_account]
        for number in chosen:
            yield number, self._choose_rows(rows == number, removals == number)

    def _choose_rows(self, rows: Chosen, removals: Chosen) -> PushedColumns:
        """Return some of the rows and removals, with all owners."""
        return PushedColumns(
            owners=self.owners,
            currencies=self.currencies,
            account=self.account[rows],
            currency=self.currency[rows],
            values={name: _choose(values, rows) for name, values in self.values.items()},
            removed_account=self.removed_account[removals],
            removed_transaction_id=_choose(self.removed_transaction_id, removals),
        )


def build_columns(
    items: Items, owners: Mapping[str, Owner], amounts: NDArray[np.int64]
) -> PushedColumns:
    """Build the columns of checked items.

    `amounts` are in minor units; `owners` holds every account that the items name.
    """
    fields = items.fields
    accounts = {name: place for place, name in enumerate(items.accounts)}
    currencies = {code: place for place, code in enumerate(set(fields["currency"]))}
    return PushedColumns(
        owners=[owners[name] for name in accounts],
        currencies=list(currencies),
        account=_look_up_places(accounts, fields["account_id"], np.int32),
        currency=_look_up_places(currencies, fields["currency"], np.uint8),
        values={"amount": amounts, **dict(_convert_fields(fields))},
        removed_account=_look_up_places(accounts, [r.account_id for r in items.removed], np.int32),
        removed_transaction_id=[r.transaction_id for r in items.removed],
    )


def build_chunk(
    chunk_id: bytes,
    parts: Sequence[tuple[bytes, int, PushedColumns]],
    trace: Mapping[str, str] = MappingProxyType({}),
) -> Chunk:
    """Build one chunk of parts: ingest id, number of the part, and columns.

    `trace` maps the hexadecimal id of each ingest to the id of its request, for logs.
    """
    pieces = [columns for _, _, columns in parts]
    owners: dict[Owner, int] = {}
    account, removed_account = _join_accounts(pieces, owners)
    currencies: dict[str, int] = {}
    currency = _join_currencies(pieces, currencies)
    joined = {column.name: _join_column(pieces, column) for column in CHUNK_COLUMNS}
    return Chunk(
        schema=SCHEMA,
        chunk_id=chunk_id,
        parts=[Part(ingest, number, c.rows, c.removals) for ingest, number, c in parts],
        accounts=[owner.account_id for owner in owners],
        users=[owner.user_id for owner in owners],
        currencies=list(currencies),
        account=account.astype(PLACE).tobytes(),
        currency=currency.astype(CODE).tobytes(),
        columns={name: data for name, data in joined.items() if data is not None},
        removed_account=removed_account.astype(PLACE).tobytes(),
        removed_transaction_id=_chain_lists(piece.removed_transaction_id for piece in pieces),
        trace=dict(trace),
    )


def _look_up_places(places: Mapping[str, int], values: Sequence[str], dtype: type[N]) -> NDArray[N]:
    return np.fromiter(map(places.__getitem__, values), dtype, len(values))


def _convert_fields(fields: Mapping[str, Sequence[Any]]) -> Iterator[tuple[str, Values]]:
    for column in CHUNK_COLUMNS:
        convert = _CONVERSIONS.get(column.kind.name)
        values = fields[column.wire]
        if column.kind is TEXT and not column.nullable:
            yield column.name, values
        elif convert and (not column.nullable or any(values)):
            yield column.name, convert(values)


def _to_flags(flags: Sequence[bool | UnsetType]) -> NDArray[np.uint8]:
    values = map(bool, flags) if any(flags) else repeat(False)  # noqa: FBT003 - the value itself
    return np.fromiter(values, np.uint8, len(flags))


def _to_days(dates: Sequence[Any]) -> NDArray[np.int32]:
    """Convert dates to days since 1970; an absent date becomes NO_DATE."""
    if all(dates):
        return np.fromiter(map(dt.date.toordinal, dates), np.int32, len(dates)) - _UNIX_ORDINAL
    return np.array([d.toordinal() - _UNIX_ORDINAL if d else NO_DATE for d in dates], np.int32)


def _to_micros(times: Sequence[dt.datetime | UnsetType | None]) -> NDArray[np.int64]:
    """Microseconds since 1970, NO_TIME for none."""
    return np.array([(t - _UNIX_EPOCH) // _MICROSECOND if t else NO_TIME for t in times], np.int64)


def _to_codes(codes: Sequence[str | UnsetType | None]) -> NDArray[np.int16]:
    return np.array([int(code or 0) for code in codes], np.int16)


def _to_texts(texts: Sequence[str | UnsetType | None]) -> Sequence[str | None]:
    return [text or None for text in texts]


def _to_objects(objects: Sequence[Raw | UnsetType]) -> list[str | None]:
    texts = [b"" if raw is UNSET else bytes(raw) for raw in objects]
    return [None if text in NO_METADATA else text.decode() for text in texts]


_CONVERSIONS: Final[Mapping[str, Callable[[Sequence[Any]], Values]]] = {
    BOOLEAN.name: _to_flags,
    DATE.name: _to_days,
    TIMESTAMP.name: _to_micros,
    SMALLINT.name: _to_codes,
    TEXT.name: _to_texts,
    JSON.name: _to_objects,
}


def _choose(values: Any, which: Chosen) -> Any:
    if isinstance(which, slice) or isinstance(values, np.ndarray):
        return values[which]
    return list(compress(values, which.tolist()))


def _chain_lists(lists: Any) -> list[Any]:
    return list(chain.from_iterable(lists))


def _join_accounts(
    pieces: Sequence[PushedColumns], owners: dict[Owner, int]
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the accounts of all rows and of all removals as indexes into `owners`.

    Owners that are missing there are added.
    """
    rows, removals = [], []
    for piece in pieces:
        place = np.zeros(len(piece.owners), np.int32)
        named = np.bincount(np.concatenate([piece.account, piece.removed_account]))
        for old in np.flatnonzero(named).tolist():
            place[old] = owners.setdefault(piece.owners[old], len(owners))
        rows.append(place[piece.account])
        removals.append(place[piece.removed_account])
    return np.concatenate(rows), np.concatenate(removals)


def _join_currencies(
    pieces: Sequence[PushedColumns], currencies: dict[str, int]
) -> NDArray[np.uint8]:
    """Return the currency of all rows as indexes into `currencies`; missing ones are added."""
    columns = []
    for piece in pieces:
        place = [currencies.setdefault(code, len(currencies)) for code in piece.currencies]
        columns.append(np.array(place, np.uint8)[piece.currency])
    return np.concatenate(columns)


def _join_column(
    pieces: Sequence[PushedColumns], column: Column
) -> bytes | list[str | None] | None:
    """Join a column of all pieces; None when no row has a value."""
    parts = [piece.values.get(column.name) for piece in pieces]
    if all(part is None for part in parts):
        return None
    null = None if column.kind.is_text else column.kind.null
    filled = [
        [null] * piece.rows if part is None else part
        for piece, part in zip(pieces, parts, strict=True)
    ]
    if not column.kind.is_text:
        return b"".join(np.asarray(part, column.kind.chunk_type).tobytes() for part in filled)
    texts = _chain_lists(filled)
    return texts if any(texts) or not column.nullable else None
