"""Transactions in JSON, as clients push them and as the API answers them."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Final
from uuid import UUID

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from pipeline.transactions.money import MAX_DESCRIPTION, MAX_ID

MAX_METADATA: Final = 4096  # bytes of one object

_DECIMAL_SCHEMA: Final = {
    "type": ["string", "number"],
    "description": "plain decimal with at most the currency's decimals; negative = money out",
}
_OBJECT_SCHEMA: Final = {"type": "object", "description": f"at most {MAX_METADATA} bytes"}

Id = Annotated[str, Meta(min_length=1, max_length=MAX_ID)]
Name = Annotated[str, Meta(max_length=256)]
PageSize = Annotated[int, Meta(ge=1, le=1000)]


class Details(Struct, gc=False):
    """Optional fields, which are pushed and answered in one form."""

    datetime: Annotated[dt.datetime, Meta(tz=True)] | UnsetType | None = UNSET
    authorized_date: dt.date | UnsetType | None = UNSET
    merchant_name: Name | UnsetType | None = UNSET
    mcc: str | UnsetType | None = UNSET
    pending_transaction_id: Id | UnsetType | None = UNSET
    metadata: Annotated[Raw, Meta(extra_json_schema=_OBJECT_SCHEMA)] | UnsetType = UNSET


class Transaction(Details, forbid_unknown_fields=True, gc=False, kw_only=True):
    """One transaction as the bank reports it; negative amounts are money out."""

    transaction_id: Annotated[Id, Meta(description="bank-side id, unique within the account")]
    account_id: str
    date: dt.date
    amount: Annotated[Raw, Meta(extra_json_schema=_DECIMAL_SCHEMA)]
    currency: Annotated[str, Meta(description="ISO 4217")]
    description: Annotated[str, Meta(max_length=MAX_DESCRIPTION)]
    pending: bool | UnsetType = UNSET
    category: Name | UnsetType | None = UNSET


class Removal(Struct, forbid_unknown_fields=True, gc=False):
    """A transaction that the bank has taken back."""

    account_id: str
    transaction_id: Id


class Batch(Struct, forbid_unknown_fields=True):
    """A push carries transactions, removals or both."""

    transactions: list[Transaction] | UnsetType = UNSET
    removed: list[Removal] | UnsetType = UNSET


class Category(Struct):
    """The category of a transaction and who decided it."""

    primary: str
    detailed: str
    confidence: Annotated[float, Meta(ge=0, le=1)]
    source: str
    model_version: int
    needs_review: bool


class FeedItem(Details, kw_only=True):
    """One transaction. Its `id` depends only on the account and the bank-side id."""

    id: UUID
    transaction_id: str
    account_id: UUID
    date: dt.date
    amount: Annotated[str, Meta(description="decimal; negative = money out")]
    currency: str
    description: str
    merchant: str
    category: Category
    pending: bool
    position: int
    reason: str


class RemovedItem(Struct):
    """A transaction that is no longer in the feed."""

    id: UUID
    transaction_id: str
    account_id: UUID
    position: int
    reason: str
