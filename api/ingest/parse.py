"""The body of a push, from bytes to items.

A valid body takes one typed decode. When that fails, the items are read one by one, so that the
answer names every bad item.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import repeat
from typing import Any, Final, TypeVar

import msgspec
from msgspec import UNSET, Raw, Struct
from msgspec.structs import astuple

from api.http.bodies import (
    NDJSON,
    decode_json,
    locate_fault,
    refuse_malformed,
    refuse_repeated_keys,
)
from api.http.problems import Fault, Invalid, TooLarge
from api.wire import Batch, Removal, Transaction
from pipeline.transactions.money import MAX_ITEMS

I = TypeVar("I")  # noqa: E741 - an item


class _RawBatch(Struct, forbid_unknown_fields=True):
    transactions: list[Raw] = []
    removed: list[Raw] = []


class Items:
    """The decoded items of a body, before any check.

    `fields` has the transactions column by column, `accounts` the ids of all accounts.
    """

    def __init__(self, transactions: Sequence[Transaction], removed: Sequence[Removal]) -> None:
        self.transactions = transactions
        self.removed = removed
        columns = zip(*map(astuple, transactions), strict=True) if transactions else repeat(())
        self.fields: dict[str, tuple[Any, ...]] = dict(
            zip(Transaction.__struct_fields__, columns, strict=False)
        )
        self.accounts = {*self.fields["account_id"], *(r.account_id for r in removed)}

    def list_metadata(self) -> list[bytes]:
        """List the JSON of all metadata objects, unchanged."""
        return [bytes(raw) for raw in self.fields["metadata"] if raw is not UNSET]


_batch: Final = msgspec.json.Decoder(Batch)
_raw_batch: Final = msgspec.json.Decoder(_RawBatch)
_transaction: Final = msgspec.json.Decoder(Transaction)
_removal: Final = msgspec.json.Decoder(Removal)

_OPTIONAL: Final = tuple(
    field.name for field in msgspec.structs.fields(Transaction) if field.default is UNSET
)
_KEYS: Final = len(Transaction.__struct_fields__)


def read_items(body: bytes, content_type: str) -> Items:
    """Read the items of a body. Raises Malformed, TooLarge, or Invalid with all faults."""
    items = _parse_lines(body) if content_type == NDJSON else _parse_document(body)
    count = len(items.transactions) + len(items.removed)
    if count > MAX_ITEMS:
        raise TooLarge(f"{count} items; a request may carry {MAX_ITEMS}")
    if count == 0:
        raise Invalid([Fault("", "nothing to do: no transactions and no removals")])
    return items


def _parse_document(body: bytes) -> Items:
    try:
        batch = _batch.decode(body)
    except msgspec.ValidationError:
        return _parse_document_by_item(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        refuse_malformed(body, error)
    items = Items(batch.transactions or (), batch.removed or ())
    if body.count(b'":') != _count_keys(batch, items):
        refuse_repeated_keys(body)
    return items


def _count_keys(batch: Batch, items: Items) -> int:
    """Count the keys that the body should have.

    More than these are repeated keys, or a text that looks like a key.
    """
    count = (batch.transactions is not UNSET) + (batch.removed is not UNSET)
    count += len(items.transactions) * _KEYS + len(items.removed) * 2
    count -= sum(items.fields[name].count(UNSET) for name in _OPTIONAL)
    return count + b"".join(items.list_metadata()).count(b'":')


def _parse_document_by_item(body: bytes) -> Items:
    raw = decode_json(_raw_batch, body)
    refuse_repeated_keys(body)
    faults: list[Fault] = []
    items = Items(
        _decode_each(_transaction, raw.transactions, "/transactions", faults),
        _decode_each(_removal, raw.removed, "/removed", faults),
    )
    if faults:
        raise Invalid(faults)
    return items


def _parse_lines(body: bytes) -> Items:
    """Parse one transaction a line; pointers do not count blank lines."""
    try:
        transactions = _transaction.decode_lines(body)
    except msgspec.ValidationError:
        return _parse_lines_by_item(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        refuse_malformed(body, error)
    items = Items(transactions, ())
    if body.count(b'":') != _count_keys(Batch(), items):
        for line in _list_lines(body):
            refuse_repeated_keys(line)
    return items


def _parse_lines_by_item(body: bytes) -> Items:
    faults: list[Fault] = []
    transactions = _decode_each(_transaction, _list_lines(body), "/transactions", faults)
    if faults:
        raise Invalid(faults)
    return Items(transactions, ())


def _list_lines(body: bytes) -> list[bytes]:
    return [line for line in body.splitlines() if line.strip()]


def _decode_each(
    decoder: msgspec.json.Decoder[I], raw: Iterable[Any], base: str, faults: list[Fault]
) -> list[I]:
    decoded = []
    for index, text in enumerate(raw):
        try:
            decoded.append(decoder.decode(text))
        except msgspec.ValidationError as error:
            faults.append(locate_fault(error, f"{base}/{index}"))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            refuse_malformed(bytes(text), error)
    return decoded
