"""A stored transaction as the API answers it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from msgspec import Raw

from api.wire import Category, Details, FeedItem, RemovedItem
from pipeline.transactions.columns import CHUNK_COLUMNS, JSON, SMALLINT
from pipeline.transactions.money import format_amount

_RENDERERS: Final[Mapping[str, Callable[[Any], Any]]] = {
    SMALLINT.name: lambda code: None if code is None else f"{code:04d}",
    JSON.name: lambda text: Raw(text.encode() if text else b"{}"),
}
_DETAILS: Final = [
    (column.wire, column.name, _RENDERERS.get(column.kind.name))
    for column in CHUNK_COLUMNS
    if column.wire in Details.__struct_fields__
]

Row = Mapping[str, Any]


def render_item(row: Row, primaries: Mapping[str, str]) -> FeedItem:
    """Return a row of the feed as its Struct; `primaries` maps detailed codes to primary ones."""
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
        amount=format_amount(row["amount"], row["currency"]),
        currency=row["currency"],
        description=row["description"],
        merchant=row["merchant"],
        category=category,
        pending=row["pending"],
        position=row["position"],
        reason=row["reason"],
        **_render_details(row),
    )


def render_removal(row: Row) -> RemovedItem:
    """Return a row of the removed transactions as its Struct."""
    return RemovedItem(
        row["id"], row["transaction_id"], row["account_id"], row["position"], row["reason"]
    )


def _render_details(row: Row) -> dict[str, Any]:
    """Return the optional fields; a column without a renderer keeps its value."""
    return {wire: render(row[name]) if render else row[name] for wire, name, render in _DETAILS}
