"""Requests are built of the paths and query parameters of the API."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any, Final
from urllib.parse import quote
from uuid import UUID

from msgspec import Struct
from msgspec.structs import asdict

Id = UUID | str

_PARAMETERS: Final = {"first": "from", "last": "to"}  # Python reserves the API's names


class TransactionFilter(Struct, frozen=True, kw_only=True):
    """A filter chooses rows of a feed; its dates and amounts are inclusive.

    `category` is a primary or a detailed code, and `merchant` is a merchant key.
    """

    first: dt.date | None = None
    last: dt.date | None = None
    category: str | None = None
    account_id: Id | None = None
    merchant: str | None = None
    min_amount: Decimal | None = None
    max_amount: Decimal | None = None
    needs_review: bool | None = None

    def build_query(self) -> dict[str, str]:
        return build_query(**asdict(self))


def build_path(*segments: Id) -> str:
    """Build a path below `/v1`; no content of a segment can lead to another path."""
    return "/v1/" + "/".join(quote(str(segment), safe="") for segment in segments)


def build_query(**fields: Any) -> dict[str, str]:
    """Write the parameters that are not None as the API reads them."""
    return {
        _PARAMETERS.get(name, name): _format_value(value)
        for name, value in fields.items()
        if value is not None
    }


def _format_value(value: Any) -> str:
    match value:
        case bool():
            return str(value).lower()
        case Decimal():
            return f"{value:f}"
    return str(value)
