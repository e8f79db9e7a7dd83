"""A feed of card purchases from a CSV file: `date, card, merchant, amount, currency`.

In the file money spent is positive; pushed transactions have money out negative.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from datetime import date
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from pipeline.errors import Permanent

FEED = Path(__file__).parents[3] / "benchmarks" / "data" / "purchase_cards.csv.gz"
_FIELDS = {"date", "card", "merchant", "amount", "currency"}


class UnreadableFeed(Permanent):
    """A file of purchases is missing or has other columns; the message names it."""


class Purchase(NamedTuple):
    """One line of the file; `amount` is signed as the API wants it."""

    number: int
    card: str
    booked: str
    amount: str
    currency: str
    merchant: str

    def transaction(self, account_id: str) -> dict[str, Any]:
        return {
            "transaction_id": f"line-{self.number}",
            "account_id": account_id,
            "date": self.booked,
            "amount": self.amount,
            "currency": self.currency,
            "description": self.merchant,
        }


def read(path: Path, rows: int | None) -> list[Purchase]:
    """The first `rows` purchases of the file (.csv or .csv.gz), or all.

    Raises UnreadableFeed when the file is missing or has other columns.
    """
    try:
        with _open(path) as file:
            return list(islice(_purchases(file, path), rows))
    except OSError as error:
        raise UnreadableFeed(f"cannot read the feed {path}: {error.strerror or error}") from None


def months(purchases: list[Purchase]) -> tuple[date, date]:
    """The earliest and the latest date."""
    days = [date.fromisoformat(p.booked) for p in purchases]
    return min(days), max(days)


def _open(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")


def _purchases(file: TextIO, path: Path) -> Iterator[Purchase]:
    reader = csv.DictReader(file)
    missing = _FIELDS - set(reader.fieldnames or ())
    if missing:
        raise UnreadableFeed(f"the feed {path} has no column {', '.join(sorted(missing))}")
    for number, row in enumerate(reader, start=1):
        yield Purchase(
            number,
            row["card"],
            row["date"],
            _negated(row["amount"]),
            row["currency"],
            row["merchant"],
        )


def _negated(amount: str) -> str:
    return amount[1:] if amount.startswith("-") else f"-{amount}"
