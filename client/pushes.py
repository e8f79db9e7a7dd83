"""The rows of a push are encoded and packed into requests of a limited size."""

from __future__ import annotations

import datetime as dt
import gzip
from collections.abc import Iterable, Iterator
from decimal import Decimal
from itertools import chain
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec
from msgspec import Struct

MAX_ITEMS: Final = 10_000  # of one request, transactions and removals together
MAX_BYTES: Final = 16 * 1024 * 1024  # of one request, before compression

JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"

_FRAME_BYTES: Final = len(b'{"transactions":[],"removed":[]}')
_GZIP_LEVEL: Final = 1  # level 6 takes twice the CPU for a sixth fewer bytes


class NewTransaction(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A transaction as the bank reports it; a negative amount is money out.

    `transaction_id` is the bank's and unique within the account. `currency` is an ISO 4217 code,
    and `mcc` has the four digits of the merchant category. `metadata` is any JSON object. `datetime`
    needs a time zone.
    """

    transaction_id: str
    account_id: UUID
    date: dt.date
    amount: Decimal
    currency: str
    description: str
    merchant_name: str | None = None
    mcc: str | None = None
    pending: bool = False
    pending_transaction_id: str | None = None
    datetime: dt.datetime | None = None
    authorized_date: dt.date | None = None
    category: str | None = None
    metadata: dict[str, Any] | None = None


class NewRemoval(Struct, frozen=True, kw_only=True):
    """A transaction that the bank has taken back."""

    account_id: UUID
    transaction_id: str


class PushBody(NamedTuple):
    """The content of one request, as `push_body` takes it."""

    content: bytes
    media_type: str = JSON
    gzipped: bool = False

    def compress(self) -> PushBody:
        """Return the body as one gzip member."""
        return self._replace(
            content=gzip.compress(self.content, _GZIP_LEVEL, mtime=0), gzipped=True
        )


class _Item(NamedTuple):
    content: bytes
    removal: bool


_encoder: Final = msgspec.json.Encoder()


def split_push(
    transactions: Iterable[NewTransaction], removed: Iterable[NewRemoval], *, ndjson: bool
) -> Iterator[PushBody]:
    """Yield bodies of at most MAX_ITEMS items and MAX_BYTES bytes, in the order of the items.

    NDJSON has no place for removals, so they follow in JSON bodies.
    """
    rows = (_Item(_encode(row), removal=False) for row in transactions)
    removals = (_Item(_encoder.encode(removal), removal=True) for removal in removed)
    if ndjson:
        yield from map(_ndjson_body, _pack(rows))
        yield from map(_json_body, _pack(removals))
    else:
        yield from map(_json_body, _pack(chain(rows, removals)))


def _pack(items: Iterable[_Item]) -> Iterator[list[_Item]]:
    """Fill one request after another; an item that is too large alone stays alone."""
    pack: list[_Item] = []
    size = _FRAME_BYTES
    for item in items:
        if pack and (len(pack) == MAX_ITEMS or size + len(item.content) + 1 > MAX_BYTES):
            yield pack
            pack, size = [], _FRAME_BYTES
        pack.append(item)
        size += len(item.content) + 1
    if pack:
        yield pack


def _encode(row: NewTransaction) -> bytes:
    """Encode a row; its amount has no exponent, which `str` of a Decimal can write."""
    if "E" not in str(row.amount):
        return _encoder.encode(row)
    return _encoder.encode(msgspec.to_builtins(row) | {"amount": f"{row.amount:f}"})


def _json_body(pack: list[_Item]) -> PushBody:
    rows = b",".join([item.content for item in pack if not item.removal])
    removals = b",".join([item.content for item in pack if item.removal])
    return PushBody(b'{"transactions":[%b],"removed":[%b]}' % (rows, removals))


def _ndjson_body(pack: list[_Item]) -> PushBody:
    return PushBody(b"\n".join([item.content for item in pack]), NDJSON)
