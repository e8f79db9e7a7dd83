"""The load of the benchmarks: real card purchases, multiplied, with repeats and updates; seeded.

A copy of the slice stands for another set of people with the same habits, so users are as skewed
as in the original. Copies are interleaved by date, as the feed of a bank with many users is.
"""

from __future__ import annotations

import csv
import gzip
import random
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count, islice
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec

from client import Account

_SLICE = Path(__file__).parents[1] / "data" / "purchase_cards.csv.gz"
REPEATS = 0.02  # share of rows that are pushed again, unchanged
UPDATES = 0.01  # share of rows that come again with another amount


@dataclass(frozen=True, slots=True)
class Purchase:
    """One pushed transaction; the card is the account, the amount is signed minor units."""

    card: str
    number: str
    date: str
    amount: int
    merchant: str

    def build_body(self, account_id: UUID) -> dict[str, Any]:
        sign, units = "-" if self.amount < 0 else "", abs(self.amount)
        return {
            "transaction_id": self.number,
            "account_id": account_id,
            "date": self.date,
            "amount": f"{sign}{units // 100}.{units % 100:02d}",
            "currency": "GBP",
            "description": self.merchant,
        }


def read_purchases() -> list[Purchase]:
    """The slice of real purchases, oldest first."""
    with gzip.open(_SLICE, "rt", encoding="utf-8") as file:
        return [
            Purchase(
                row["card"],
                f"{number:06d}",
                row["date"],
                -round(float(row["amount"]) * 100),
                row["merchant"],
            )
            for number, row in enumerate(csv.DictReader(file))
        ]


def generate_purchases(
    rows: int, *, seed: int, label: str = "", copies: int | None = None
) -> list[Purchase]:
    """`rows` purchases in the order in which a bank would push them, repeats and updates in it.

    `label` keeps the cards of one workload apart from those of another. So many `copies` are
    interleaved, and followed by as many others; when not given, as many as there are rows for.
    """
    real = read_purchases()
    fresh = _interleaved(real, copies or -(-rows // len(real)), label)
    return list(islice(_again(fresh, random.Random(seed)), rows))


def _interleaved(real: list[Purchase], copies: int, label: str) -> Iterator[Purchase]:
    for people in count():
        for purchase in real:
            for copy in range(copies):
                yield replace(purchase, card=f"{label}{people}.{copy}-{purchase.card}")


def _again(fresh: Iterable[Purchase], draw: random.Random) -> Iterator[Purchase]:
    """Some of the latest purchases again, unchanged or with another amount."""
    recent: list[Purchase] = []
    for purchase in fresh:
        yield purchase
        recent.append(purchase)
        if draw.random() < REPEATS + UPDATES:
            again = draw.choice(recent[-5_000:])
            update = draw.random() < UPDATES / (REPEATS + UPDATES)
            yield replace(again, amount=again.amount - 1) if update else again


def build_bodies(load: list[Purchase], accounts: Mapping[str, Account], batch: int) -> list[bytes]:
    """Request bodies of `batch` rows each."""
    return [
        msgspec.json.encode(
            {
                "transactions": [
                    p.build_body(accounts[p.card].account_id) for p in load[start : start + batch]
                ]
            }
        )
        for start in range(0, len(load), batch)
    ]
