"""The checks of a push: of whole columns first, and of each item when one of them fails."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec
import numpy as np
from msgspec import UNSET, UnsetType
from numpy.typing import NDArray

from api.http.bodies import refuse_repeated_keys
from api.http.problems import Fault, Invalid, Malformed
from api.ingest.columns import NO_METADATA, PushedColumns, build_columns
from api.ingest.parse import Items
from api.wire import MAX_METADATA, Transaction
from pipeline.access.accounts import Owner
from pipeline.database.partitions import Managed
from pipeline.transactions.columns import CHUNK_COLUMNS, TEXT, TIMESTAMP
from pipeline.transactions.money import CURRENCIES, parse_amount

_CENTS: Final = re.compile(rb'(?:"?-?(?:0|[1-9][0-9]{0,12})\.[0-9]{2}"?\n)*+')
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_EARLIEST: Final = dt.datetime(1900, 1, 1, tzinfo=dt.UTC)
_LATEST: Final = dt.datetime(3000, 1, 1, tzinfo=dt.UTC)
_TEXTS: Final = tuple(column.wire for column in CHUNK_COLUMNS if column.kind is TEXT)
_TIMES: Final = tuple(column.wire for column in CHUNK_COLUMNS if column.kind is TIMESTAMP)
_UNKNOWN_ACCOUNT: Final = "there is no such account"

_anything: Final = msgspec.json.Decoder()


def check_items(items: Items, owners: Mapping[str, Owner], managed: Managed) -> PushedColumns:
    """Return the batch as columns. Raises Invalid with every fault.

    `owners` holds the accounts that the caller may write, `managed` the dates that can be stored.
    """
    columns = _build_columns_at_once(items, owners, managed)
    if columns is not None:
        return columns
    faults = [
        *_find_transaction_faults(items, owners, managed),
        *_find_removal_faults(items, owners),
    ]
    if faults:
        raise Invalid(faults)
    return build_columns(items, owners, _parse_amounts_one_by_one(items))


def _build_columns_at_once(
    items: Items, owners: Mapping[str, Owner], managed: Managed
) -> PushedColumns | None:
    """Return the columns, or None when a check needs a closer look at each item."""
    is_usual = (
        items.accounts <= owners.keys()
        and _are_texts_clean(items)
        and _are_codes_right(items.fields["mcc"])
        and all(_are_times_storable(items.fields[name]) for name in _TIMES)
        and not any(map(_describe_metadata_fault, set(items.list_metadata())))
        and all(day in managed for day in set(items.fields["date"]))
    )
    amounts = _parse_amounts(items) if is_usual else None
    return None if amounts is None else build_columns(items, owners, amounts)


def _are_texts_clean(items: Items) -> bool:
    """Return whether all texts are printable and no id is blank."""
    fields = items.fields
    removed = [removal.transaction_id for removal in items.removed]
    if not all(map(str.strip, [*fields["transaction_id"], *removed])):
        return False
    texts = [text for name in _TEXTS for text in fields[name] if text]
    return "".join([*texts, *removed]).isprintable()


def _are_times_storable(times: Iterable[dt.datetime | UnsetType | None]) -> bool:
    """Return whether every time can be written to PostgreSQL and read back."""
    return all(_EARLIEST <= time < _LATEST for time in times if time)


def _parse_amounts(items: Items) -> NDArray[np.int64] | None:
    """Return the amounts in minor units, or None when one is wrong."""
    amounts = _parse_amounts_at_once(items)
    if amounts is not None:
        return amounts
    with suppress(ValueError, KeyError, msgspec.DecodeError):
        return _parse_amounts_one_by_one(items)
    return None


def _parse_amounts_at_once(items: Items) -> NDArray[np.int64] | None:
    """Return minor units, or None unless every amount has exactly two decimals."""
    if any(CURRENCIES.get(code) != 2 for code in set(items.fields["currency"])):
        return None
    text = b"\n".join([*items.fields["amount"], b""])
    if not text or _CENTS.fullmatch(text) is None:
        return None
    return np.fromstring(text.translate(None, b'".'), np.int64, sep="\n")


def _parse_amounts_one_by_one(items: Items) -> NDArray[np.int64]:
    return np.array([_parse_amount(t) for t in items.transactions], np.int64)


def _are_codes_right(codes: Sequence[str | UnsetType | None]) -> bool:
    """Return whether every merchant category code is four digits or absent."""
    present = [code for code in codes if code]
    text = "".join(present)
    return not text or (text.isascii() and text.isdigit() and set(map(len, present)) == {4})


def _parse_amount(transaction: Transaction) -> int:
    """Return the amount in minor units. Raises ValueError with the reason."""
    text = bytes(transaction.amount).decode()
    if text.startswith('"'):
        text = msgspec.json.decode(text, type=str)
    return parse_amount(text, transaction.currency)


def _find_transaction_faults(
    items: Items, owners: Mapping[str, Owner], managed: Managed
) -> Iterable[Fault]:
    for index, row in enumerate(items.transactions):
        for field, detail in _find_row_faults(row, owners, managed):
            yield Fault(f"/transactions/{index}/{field}", detail)


def _find_row_faults(
    row: Transaction, owners: Mapping[str, Owner], managed: Managed
) -> Iterable[tuple[str, str]]:
    if row.account_id not in owners:
        yield "account_id", _UNKNOWN_ACCOUNT
    if row.date not in managed:
        yield "date", f"outside the managed months, {managed.first} to {managed.last}"
    if row.currency not in CURRENCIES:
        yield "currency", "not an active ISO 4217 code"
    else:
        yield from _find_parse_fault("amount", _parse_amount, row)
    for field in _TEXTS:
        yield from _find_text_faults(field, getattr(row, field))
    for field in _TIMES:
        if not _are_times_storable([getattr(row, field)]):
            yield field, f"not between {_EARLIEST:%Y} and {_LATEST:%Y}"
    yield from _find_mcc_faults(row)
    yield from _find_metadata_faults(row)


def _find_parse_fault(
    field: str, parse: Callable[[Transaction], Any], row: Transaction
) -> Iterable[tuple[str, str]]:
    try:
        parse(row)
    except (ValueError, msgspec.DecodeError) as error:
        yield field, str(error)


def _find_text_faults(field: str, text: str | UnsetType | None) -> list[tuple[str, str]]:
    if text and _CONTROL.search(text):
        return [(field, "holds a control character")]
    if text and field.endswith("_id") and not text.strip():
        return [(field, "is blank")]
    return []


def _find_mcc_faults(row: Transaction) -> list[tuple[str, str]]:
    return [] if _are_codes_right([row.mcc]) else [("mcc", "not four digits")]


def _find_metadata_faults(row: Transaction) -> list[tuple[str, str]]:
    detail = None if row.metadata is UNSET else _describe_metadata_fault(bytes(row.metadata))
    return [("metadata", detail)] if detail else []


def _describe_metadata_fault(raw: bytes) -> str | None:
    if raw in NO_METADATA:
        return None
    if len(raw) > MAX_METADATA:
        return f"longer than {MAX_METADATA} bytes"
    try:
        value = _anything.decode(raw)
        refuse_repeated_keys(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return "not JSON in UTF-8"
    except Malformed as error:
        return str(error)
    if not isinstance(value, dict):
        return "not an object"
    return "holds a NUL character" if rb"\u0000" in raw else None


def _find_removal_faults(items: Items, owners: Mapping[str, Owner]) -> Iterable[Fault]:
    for index, removal in enumerate(items.removed):
        base = f"/removed/{index}"
        if removal.account_id not in owners:
            yield Fault(f"{base}/account_id", _UNKNOWN_ACCOUNT)
        for field, detail in _find_text_faults("transaction_id", removal.transaction_id):
            yield Fault(f"{base}/{field}", detail)
