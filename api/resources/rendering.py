"""A stored transaction as it is read out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import Raw

from api.wire import Category, Details, FeedItem, RemovedItem
from pipeline.transactions.columns import CHUNK_COLUMNS, JSON, SMALLINT
from pipeline.transactions.money import decimal_text

# How the value of a column is shown; others, and what is NULL, are shown as they are.
_SHOWN: Final[Mapping[str, Callable[[Any], Any]]] = {
    SMALLINT.name: lambda code: None if code is None else f"{code:04d}",
    JSON.name: lambda text: Raw(text.encode() if text else b"{}"),
}
_DETAILS: Final = [
    (column.wire, column.name, _SHOWN.get(column.kind.name))
    for column in CHUNK_COLUMNS
    if column.wire in Details.__struct_fields__
]

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
        id=row["id"],
        transaction_id=row["transaction_id"],
        account_id=row["account_id"],
        date=row["booked_on"],
        amount=decimal_text(row["amount"], row["currency"]),
        currency=row["currency"],
        description=row["description"],
        merchant=row["merchant"],
        category=category,
        pending=row["pending"],
        position=row["position"],
        reason=row["reason"],
        **_details(row),
    )


def _details(row: Row) -> dict[str, Any]:
    """What the bank may have said beyond what it must."""
    return {wire: show(row[name]) if show else row[name] for wire, name, show in _DETAILS}


def removed_item(row: Row) -> RemovedItem:
    return RemovedItem(
        row["id"], row["transaction_id"], row["account_id"], row["position"], row["reason"]
    )
