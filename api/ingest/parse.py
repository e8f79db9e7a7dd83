"""A pushed batch: from the bytes of a body to columns, or to the list of all its faults.

The way of a right batch is short: one typed decode, then checks of whole columns. Only when one
of them fails is the batch looked at item by item, to name every bad one.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from itertools import repeat
from typing import Annotated, Any, Final, TypeVar

import msgspec
import numpy as np
from msgspec import UNSET, Meta, Raw, Struct, UnsetType
from msgspec.structs import astuple
from numpy.typing import NDArray

from api.http.bodies import NDJSON, decode, fault, refuse, refuse_repeated_keys
from api.http.problems import Fault, Invalid, Malformed, TooLarge
from api.ingest.columns import Columns
from pipeline.access.accounts import Owner
from pipeline.database.partitions import Managed
from pipeline.transactions.chunk import NO_DATE
from pipeline.transactions.money import CURRENCIES, MAX_DESCRIPTION, MAX_ID, MAX_ITEMS, minor_units

MAX_METADATA: Final = 4096  # bytes of one metadata object

_A_DECIMAL: Final = {
    "type": ["string", "number"],
    "description": "plain decimal with at most the currency's decimals; negative = money out",
}
_AN_OBJECT: Final = {"type": "object", "description": f"at most {MAX_METADATA} bytes"}

Id = Annotated[str, Meta(min_length=1, max_length=MAX_ID)]
Name = Annotated[str, Meta(max_length=256)]
I = TypeVar("I")  # noqa: E741 - an item
T = TypeVar("T")
N = TypeVar("N", bound=np.generic)


class Transaction(Struct, forbid_unknown_fields=True, gc=False):
    """One transaction as the bank says it; negative amounts are money out."""

    transaction_id: Annotated[Id, Meta(description="bank-side id, unique within the account")]
    account_id: str
    date: dt.date
    amount: Annotated[Raw, Meta(extra_json_schema=_A_DECIMAL)]
    currency: Annotated[str, Meta(description="ISO 4217")]
    description: Annotated[str, Meta(max_length=MAX_DESCRIPTION)]
    merchant_name: Name | UnsetType | None = UNSET
    mcc: str | UnsetType | None = UNSET
    pending: bool | UnsetType = UNSET
    pending_transaction_id: Id | UnsetType | None = UNSET
    authorized_date: dt.date | UnsetType | None = UNSET
    category: Name | UnsetType | None = UNSET
    metadata: Annotated[Raw, Meta(extra_json_schema=_AN_OBJECT)] | UnsetType = UNSET


class Removal(Struct, forbid_unknown_fields=True, gc=False):
    """A transaction that the bank has taken back."""

    account_id: str
    transaction_id: Id


class Batch(Struct, forbid_unknown_fields=True):
    """The body of `POST /v1/transactions`."""

    transactions: list[Transaction] | UnsetType = UNSET
    removed: list[Removal] | UnsetType = UNSET


class _RawBatch(Struct, forbid_unknown_fields=True):
    transactions: list[Raw] = []
    removed: list[Raw] = []


class Items:
    """What a body holds, decoded but not yet checked against anything.

    `fields` has the transactions column by column, `accounts` the ids of all accounts named.
    """

    def __init__(self, transactions: Sequence[Transaction], removed: Sequence[Removal]) -> None:
        self.transactions = transactions
        self.removed = removed
        columns = zip(*map(astuple, transactions), strict=True) if transactions else repeat(())
        self.fields: dict[str, tuple[Any, ...]] = dict(
            zip(Transaction.__struct_fields__, columns, strict=False)
        )
        self.accounts = {*self.fields["account_id"], *(r.account_id for r in removed)}


_batch: Final = msgspec.json.Decoder(Batch)
_raw_batch: Final = msgspec.json.Decoder(_RawBatch)
_transaction: Final = msgspec.json.Decoder(Transaction)
_removal: Final = msgspec.json.Decoder(Removal)
_anything: Final = msgspec.json.Decoder()

_OPTIONAL: Final = (
    "merchant_name",
    "mcc",
    "pending",
    "pending_transaction_id",
    "authorized_date",
    "category",
    "metadata",
)
_REQUIRED_KEYS: Final = 6
_UNIX_ORDINAL: Final = dt.date(1970, 1, 1).toordinal()
_CENTS: Final = re.compile(rb'(?:"?-?(?:0|[1-9][0-9]{0,12})\.[0-9]{2}"?\n)*+')
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_NO_METADATA: Final = frozenset({b"", b"{}", b"null"})
_UNKNOWN_ACCOUNT: Final = "there is no such account"


def read_items(body: bytes, content_type: str) -> Items:
    """The items of a body. Raises Malformed, TooLarge, or Invalid with the faults of all items."""
    items = _lines(body) if content_type == NDJSON else _document(body)
    count = len(items.transactions) + len(items.removed)
    if count > MAX_ITEMS:
        raise TooLarge(f"{count} items; a request may carry {MAX_ITEMS}")
    if count == 0:
        raise Invalid([Fault("", "nothing to do: no transactions and no removals")])
    return items


def columns(items: Items, owners: Mapping[str, Owner], managed: Managed) -> Columns:
    """The batch as columns. Raises Invalid with every fault.

    `owners` holds the accounts that the caller may write, `managed` the dates that can be stored.
    """
    made = _columns_at_once(items, owners, managed)
    if made is not None:
        return made
    faults = [*_transaction_faults(items, owners, managed), *_removal_faults(items, owners)]
    if faults:
        raise Invalid(faults)
    return _columns(items, owners, _amounts_one_by_one(items))


def _document(body: bytes) -> Items:
    try:
        batch = _batch.decode(body)
    except msgspec.ValidationError:
        return _document_by_item(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        refuse(body, error)
    items = Items(batch.transactions or (), batch.removed or ())
    if body.count(b'":') != _keys(batch, items):
        refuse_repeated_keys(body)
    return items


def _keys(batch: Batch, items: Items) -> int:
    """How many keys the body should have; more are repeated keys, or text that looks like one."""
    count = (batch.transactions is not UNSET) + (batch.removed is not UNSET)
    count += len(items.transactions) * (_REQUIRED_KEYS + len(_OPTIONAL)) + len(items.removed) * 2
    count -= sum(items.fields[name].count(UNSET) for name in _OPTIONAL)
    return count + b"".join(_metadata(items)).count(b'":')


def _document_by_item(body: bytes) -> Items:
    raw = decode(_raw_batch, body)
    refuse_repeated_keys(body)
    faults: list[Fault] = []
    items = Items(
        _each(_transaction, raw.transactions, "/transactions", faults),
        _each(_removal, raw.removed, "/removed", faults),
    )
    if faults:
        raise Invalid(faults)
    return items


def _lines(body: bytes) -> Items:
    """One transaction a line; pointers count lines that are not blank."""
    try:
        transactions = _transaction.decode_lines(body)
    except msgspec.ValidationError:
        return _lines_by_item(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        refuse(body, error)
    items = Items(transactions, ())
    if body.count(b'":') != _keys(Batch(), items):
        for line in _not_blank(body):
            refuse_repeated_keys(line)
    return items


def _lines_by_item(body: bytes) -> Items:
    faults: list[Fault] = []
    transactions = _each(_transaction, _not_blank(body), "/transactions", faults)
    if faults:
        raise Invalid(faults)
    return Items(transactions, ())


def _not_blank(body: bytes) -> list[bytes]:
    return [line for line in body.splitlines() if line.strip()]


def _each(
    decoder: msgspec.json.Decoder[I], raw: Iterable[Any], base: str, faults: list[Fault]
) -> list[I]:
    decoded = []
    for index, text in enumerate(raw):
        try:
            decoded.append(decoder.decode(text))
        except msgspec.ValidationError as error:
            faults.append(fault(error, f"{base}/{index}"))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            refuse(bytes(text), error)
    return decoded


def _columns_at_once(items: Items, owners: Mapping[str, Owner], managed: Managed) -> Columns | None:
    """The columns if nothing about the batch is unusual; None: look at each item."""
    right = (
        items.accounts <= owners.keys()
        and _texts_are_clean(items)
        and _codes_are_right(items.fields["mcc"])
        and not any(map(_metadata_fault, set(_metadata(items))))
        and all(day in managed for day in set(items.fields["date"]))
    )
    amounts = _amounts(items) if right else None
    return None if amounts is None else _columns(items, owners, amounts)


def _texts_are_clean(items: Items) -> bool:
    """Whether no text holds a character that needs a closer look, and no id is blank."""
    fields = items.fields
    texts = [*fields["transaction_id"], *(r.transaction_id for r in items.removed)]
    if not all(map(str.strip, texts)):
        return False
    texts += fields["description"]
    for name in ("merchant_name", "pending_transaction_id", "category"):
        texts += filter(None, fields[name])
    return "".join(texts).isprintable()


def _amounts(items: Items) -> NDArray[np.int64] | None:
    """Minor units; None: at least one is wrong."""
    amounts = _amounts_at_once(items)
    if amounts is not None:
        return amounts
    with suppress(ValueError, KeyError, msgspec.DecodeError):
        return _amounts_one_by_one(items)
    return None


def _amounts_at_once(items: Items) -> NDArray[np.int64] | None:
    """Minor units if every amount has exactly the two decimals of its currency."""
    if any(CURRENCIES.get(code) != 2 for code in set(items.fields["currency"])):
        return None
    text = b"\n".join([*items.fields["amount"], b""])
    if not text or _CENTS.fullmatch(text) is None:
        return None
    return np.fromstring(text.translate(None, b'".'), np.int64, sep="\n")


def _amounts_one_by_one(items: Items) -> NDArray[np.int64]:
    return np.array([_amount(t) for t in items.transactions], np.int64)


def _codes_are_right(codes: Sequence[str | UnsetType | None]) -> bool:
    """Whether every merchant category code is four digits or absent."""
    given = [code for code in codes if code]
    text = "".join(given)
    return not text or (text.isascii() and text.isdigit() and set(map(len, given)) == {4})


def _columns(items: Items, owners: Mapping[str, Owner], amounts: NDArray[np.int64]) -> Columns:
    fields = items.fields
    accounts = {name: place for place, name in enumerate(items.accounts)}
    currencies = {code: place for place, code in enumerate(set(fields["currency"]))}
    return Columns(
        owners=[owners[name] for name in accounts],
        currencies=list(currencies),
        account=_places(accounts, fields["account_id"], np.int32),
        transaction_id=fields["transaction_id"],
        date=_ordinals(fields["date"]) - _UNIX_ORDINAL,
        amount=amounts,
        currency=_places(currencies, fields["currency"], np.uint8),
        description=fields["description"],
        pending=_flags(fields["pending"]),
        mcc=_if_any(fields["mcc"], lambda codes: np.array([int(c or 0) for c in codes], np.int16)),
        authorized=_if_any(fields["authorized_date"], _days),
        merchant_name=_if_any(fields["merchant_name"], _or_none),
        pending_transaction_id=_if_any(fields["pending_transaction_id"], _or_none),
        provider_category=_if_any(fields["category"], _or_none),
        metadata=_if_any(fields["metadata"], _objects),
        removed_account=_places(accounts, [r.account_id for r in items.removed], np.int32),
        removed_transaction_id=[r.transaction_id for r in items.removed],
    )


def _places(places: Mapping[str, int], values: Sequence[str], dtype: type[N]) -> NDArray[N]:
    return np.fromiter(map(places.__getitem__, values), dtype, len(values))


def _ordinals(dates: Sequence[dt.date]) -> NDArray[np.int32]:
    return np.fromiter(map(dt.date.toordinal, dates), np.int32, len(dates))


def _flags(column: Sequence[bool | UnsetType]) -> NDArray[np.bool_]:
    flags = map(bool, column) if any(column) else repeat(False)  # noqa: FBT003 - the value itself
    return np.fromiter(flags, np.bool_, len(column))


def _days(dates: Sequence[dt.date | UnsetType | None]) -> NDArray[np.int32]:
    """Days since 1970, NO_DATE for none."""
    days = [day.toordinal() - _UNIX_ORDINAL if day else NO_DATE for day in dates]
    return np.array(days, np.int32)


def _if_any(column: Sequence[Any], convert: Callable[[Sequence[Any]], T]) -> T | None:
    """The converted column, None where it holds nothing."""
    return convert(column) if any(column) else None


def _or_none(column: Sequence[str | UnsetType | None]) -> list[str | None]:
    return [text or None for text in column]


def _objects(column: Sequence[Raw | UnsetType]) -> list[str | None]:
    texts = [b"" if raw is UNSET else bytes(raw) for raw in column]
    return [None if text in _NO_METADATA else text.decode() for text in texts]


def _metadata(items: Items) -> list[bytes]:
    """The metadata objects that are given, as they came."""
    return [bytes(raw) for raw in items.fields["metadata"] if raw is not UNSET]


def _amount(transaction: Transaction) -> int:
    """Minor units; ValueError says what is wrong."""
    text = bytes(transaction.amount).decode()
    if text.startswith('"'):
        text = msgspec.json.decode(text, type=str)
    return minor_units(text, transaction.currency)


def _transaction_faults(
    items: Items, owners: Mapping[str, Owner], managed: Managed
) -> Iterable[Fault]:
    for index, row in enumerate(items.transactions):
        for field, detail in _row_faults(row, owners, managed):
            yield Fault(f"/transactions/{index}/{field}", detail)


def _row_faults(
    row: Transaction, owners: Mapping[str, Owner], managed: Managed
) -> Iterable[tuple[str, str]]:
    if row.account_id not in owners:
        yield "account_id", _UNKNOWN_ACCOUNT
    if row.date not in managed:
        yield "date", f"outside the managed months, {managed.first} to {managed.last}"
    if row.currency not in CURRENCIES:
        yield "currency", "not an active ISO 4217 code"
    else:
        yield from _raised("amount", _amount, row)
    for field in (
        "transaction_id",
        "description",
        "merchant_name",
        "pending_transaction_id",
        "category",
    ):
        yield from _text_faults(field, getattr(row, field))
    yield from _mcc_faults(row)
    yield from _metadata_faults(row)


def _raised(
    field: str, parse: Callable[[Transaction], Any], row: Transaction
) -> Iterable[tuple[str, str]]:
    try:
        parse(row)
    except (ValueError, msgspec.DecodeError) as error:
        yield field, str(error)


def _text_faults(field: str, text: str | UnsetType | None) -> list[tuple[str, str]]:
    if text and _CONTROL.search(text):
        return [(field, "holds a control character")]
    if text and field.endswith("_id") and not text.strip():
        return [(field, "is blank")]
    return []


def _mcc_faults(row: Transaction) -> list[tuple[str, str]]:
    return [] if _codes_are_right([row.mcc]) else [("mcc", "not four digits")]


def _metadata_faults(row: Transaction) -> list[tuple[str, str]]:
    detail = None if row.metadata is UNSET else _metadata_fault(bytes(row.metadata))
    return [("metadata", detail)] if detail else []


def _metadata_fault(raw: bytes) -> str | None:
    if raw in _NO_METADATA:
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


def _removal_faults(items: Items, owners: Mapping[str, Owner]) -> Iterable[Fault]:
    for index, removal in enumerate(items.removed):
        base = f"/removed/{index}"
        if removal.account_id not in owners:
            yield Fault(f"{base}/account_id", _UNKNOWN_ACCOUNT)
        for field, detail in _text_faults("transaction_id", removal.transaction_id):
            yield Fault(f"{base}/{field}", detail)
