"""A pushed batch: from the bytes of a body to columns, or to the list of all its faults.

The way of a right batch is short: one typed decode, then checks of whole columns. Only when one
of them fails is the batch looked at item by item, to name every bad one.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from api.bodies import NDJSON, decode, fault, refuse, refuse_repeated_keys
from api.columns import Columns
from api.problems import Fault, Invalid, Malformed, TooLarge
from pipeline.accounts import Owner
from pipeline.partitions import Managed
from pipeline.transactions import CURRENCIES, MAX_DESCRIPTION, MAX_ID, MAX_ITEMS, minor_units

MAX_METADATA: Final = 4096  # bytes of one metadata object

_A_DECIMAL: Final = {
    "type": ["string", "number"],
    "description": "plain decimal with at most the currency's decimals; negative = money out",
}
_AN_OBJECT: Final = {"type": "object", "description": f"at most {MAX_METADATA} bytes"}

Id = Annotated[str, Meta(min_length=1, max_length=MAX_ID)]
Name = Annotated[str, Meta(max_length=256)]
I = TypeVar("I")  # noqa: E741 - an item


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


class Items(Struct):
    """What a body holds, decoded but not yet checked against anything."""

    transactions: Sequence[Transaction]
    removed: Sequence[Removal]

    def accounts(self) -> set[str]:
        """The ids of all accounts named."""
        named = {t.account_id for t in self.transactions}
        return named.union([r.account_id for r in self.removed])


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
    return _columns(items, owners, [_amount(t) for t in items.transactions])


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
    for name in _OPTIONAL:
        count -= [getattr(t, name) for t in items.transactions].count(UNSET)
    return count + b"".join(_metadata(items.transactions)).count(b'":')


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
        items.accounts() <= owners.keys()
        and _texts_are_clean(items)
        and _codes_are_right([t.mcc or "" for t in items.transactions])
        and not any(map(_metadata_fault, set(_metadata(items.transactions))))
    )
    if not right:
        return None
    days = [t.date for t in items.transactions]
    if days and not (min(days) in managed and max(days) in managed):
        return None
    amounts = _amounts(items.transactions)
    return None if amounts is None else _columns(items, owners, amounts)


def _texts_are_clean(items: Items) -> bool:
    """Whether no text holds a character that needs a closer look, and no id is blank."""
    texts = [t.transaction_id for t in items.transactions]
    texts += [r.transaction_id for r in items.removed]
    if not all(map(str.strip, texts)):
        return False
    texts += [t.description for t in items.transactions]
    for name in ("merchant_name", "pending_transaction_id", "category"):
        texts += filter(None, [getattr(t, name) for t in items.transactions])
    return "".join(texts).isprintable()


def _amounts(transactions: Sequence[Transaction]) -> list[int] | None:
    """Minor units; None: at least one is wrong."""
    amounts = _amounts_at_once(transactions)
    if amounts is not None:
        return amounts
    with suppress(ValueError, KeyError, msgspec.DecodeError):
        return [_amount(t) for t in transactions]
    return None


def _amounts_at_once(transactions: Sequence[Transaction]) -> list[int] | None:
    """Minor units if every amount has exactly the two decimals of its currency."""
    currencies = {t.currency for t in transactions}
    if any(CURRENCIES.get(code) != 2 for code in currencies):
        return None
    text = b"\n".join([*[t.amount for t in transactions], b""])
    if _CENTS.fullmatch(text) is None:
        return None
    return list(map(int, text.translate(None, b'".').split()))


def _codes_are_right(codes: list[str]) -> bool:
    """Whether every merchant category code is four digits or absent."""
    text = "".join(codes)
    return not text or (text.isascii() and text.isdigit() and set(map(len, codes)) <= {0, 4})


def _columns(items: Items, owners: Mapping[str, Owner], amounts: list[int]) -> Columns:
    rows, removed = items.transactions, items.removed
    return Columns(
        owners={account: owners[account] for account in items.accounts()},
        account=[t.account_id for t in rows],
        transaction_id=[t.transaction_id for t in rows],
        date=[t.date.toordinal() for t in rows],
        amount=amounts,
        currency=[t.currency for t in rows],
        description=[t.description for t in rows],
        pending=[bool(t.pending) for t in rows],
        mcc=[int(t.mcc or 0) for t in rows],
        authorized=[t.authorized_date.toordinal() if t.authorized_date else 0 for t in rows],
        merchant_name=[t.merchant_name or None for t in rows],
        pending_transaction_id=[t.pending_transaction_id or None for t in rows],
        provider_category=[t.category or None for t in rows],
        metadata=[None if m in _NO_METADATA else m.decode() for m in _metadata(rows)],
        removed_account=[r.account_id for r in removed],
        removed_transaction_id=[r.transaction_id for r in removed],
    )


def _metadata(rows: Iterable[Transaction]) -> list[bytes]:
    return [b"" if t.metadata is UNSET else bytes(t.metadata) for t in rows]


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
    return [] if _codes_are_right([row.mcc or ""]) else [("mcc", "not four digits")]


def _metadata_faults(row: Transaction) -> list[tuple[str, str]]:
    detail = _metadata_fault(*_metadata([row]))
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
