"""A stored transaction as it is read out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta, Struct

from pipeline.transactions.money import decimal_text


class Category(Struct):
    primary: str
    detailed: str
    confidence: Annotated[float, Meta(ge=0, le=1)]
    source: str
    model_version: int
    needs_review: bool


class FeedItem(Struct):
    """One transaction; the id is the same on every machine."""

    id: UUID
    transaction_id: str
    account_id: UUID
    date: date
    amount: Annotated[str, Meta(description="decimal; negative = money out")]
    currency: str
    description: str
    merchant: str
    category: Category
    pending: bool
    position: int
    reason: str


class RemovedItem(Struct):
    id: UUID
    transaction_id: str
    account_id: UUID
    position: int
    reason: str


Row = Mapping[str, Any]


def feed_item(row: Row, primaries: Mapping[str, str]) -> FeedItem:
    """`primaries` maps detailed codes to primary ones."""
    detailed = row["category"]
    category = Category(
        primaries.get(detailed, detailed),
        detailed,
        round(row["confidence"], 4),
        row["source"],
        row["model_version"],
        row["needs_review"],
    )
    return FeedItem(
        row["id"],
        row["transaction_id"],
        row["account_id"],
        row["booked_on"],
        decimal_text(row["amount"], row["currency"]),
        row["currency"],
        row["description"],
        row["merchant"],
        category,
        row["pending"],
        row["position"],
        row["reason"],
    )


def removed_item(row: Row) -> RemovedItem:
    return RemovedItem(
        row["id"], row["transaction_id"], row["account_id"], row["position"], row["reason"]
    )
