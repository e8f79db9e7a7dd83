"""A CSV file of card purchases has the columns date, card, merchant, amount and currency.

Money that was spent is positive in the file and negative in the pushed transactions.
"""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import NamedTuple, TextIO
from uuid import UUID

from client import NewTransaction
from pipeline.errors import Permanent

FEED = Path(__file__).parents[3] / "benchmarks" / "data" / "purchase_cards.csv.gz"
_FIELDS = {"date", "card", "merchant", "amount", "currency"}


class UnreadableFeed(Permanent):
    """A file of purchases is missing or has other columns; the message names it."""


class CardPurchase(NamedTuple):
    """One line of the file; a negative amount is money out, as the API wants it."""

    number: int
    card: str
    booked: date
    amount: Decimal
    currency: str
    merchant: str

    def to_transaction(self, account_id: UUID) -> NewTransaction:
        """Build the transaction to push; its id is unique within the file."""
        return NewTransaction(
            transaction_id=f"line-{self.number}",
            account_id=account_id,
            date=self.booked,
            amount=self.amount,
            currency=self.currency,
            description=self.merchant,
        )


def read_purchases(path: Path, rows: int | None) -> list[CardPurchase]:
    """Read the first `rows` purchases of the file (.csv or .csv.gz), or all.

    Raises UnreadableFeed when the file is missing or has other columns.
    """
    try:
        with _open_text(path) as file:
            return list(islice(_read_lines(file, path), rows))
    except OSError as error:
        raise UnreadableFeed(f"cannot read the feed {path}: {error.strerror or error}") from None


def find_date_range(purchases: list[CardPurchase]) -> tuple[date, date]:
    """Return the earliest and the latest date of the purchases."""
    days = [purchase.booked for purchase in purchases]
    return min(days), max(days)


def _open_text(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", newline="")
    return path.open(encoding="utf-8", newline="")


def _read_lines(file: TextIO, path: Path) -> Iterator[CardPurchase]:
    reader = csv.DictReader(file)
    missing = _FIELDS - set(reader.fieldnames or ())
    if missing:
        raise UnreadableFeed(f"the feed {path} has no column {', '.join(sorted(missing))}")
    for number, row in enumerate(reader, start=1):
        yield CardPurchase(
            number,
            row["card"],
            date.fromisoformat(row["date"]),
            -Decimal(row["amount"]),
            row["currency"],
            row["merchant"],
        )
