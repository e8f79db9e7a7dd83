"""The spending insight as SQL and a few sums would have it, to compare with what is served."""

from __future__ import annotations

from collections import defaultdict
from datetime import date
from decimal import Decimal
from uuid import UUID

import asyncpg

from client import SpendingReport

FIRST, LAST = date(2025, 11, 1), date(2026, 1, 31)
"""The dates of all transactions of the suite."""

Sums = dict[str, dict[tuple[str, ...], tuple[Decimal, int]]]

_ROWS = """
SELECT currency, category, merchant_key, account_id::text, booked_on::text, amount
FROM transactions WHERE user_id = $1 AND NOT removed"""

_LISTS = {
    "by_category": "category",
    "by_merchant": "merchant_key",
    "by_account": "account_id",
    "by_day": "date",
}


async def recomputed(pool: asyncpg.Pool, user: bytes) -> Sums:
    """Every group's (amount, count), added up row by row; amounts are pounds."""
    sums: dict[str, dict[tuple[str, ...], list[int]]] = {
        name: defaultdict(lambda: [0, 0]) for name in _LISTS
    }
    for currency, *keys, amount in await pool.fetch(_ROWS, UUID(bytes=user)):
        for name, key in zip(_LISTS, keys, strict=True):
            cell = sums[name][key, currency]
            cell[0] += amount
            cell[1] += 1
    return {
        name: {key: (Decimal(amount) / 100, count) for key, (amount, count) in groups.items()}
        for name, groups in sums.items()
    }


def served(report: SpendingReport) -> Sums:
    """The groups of an answer of the API, in the form of `recomputed`."""
    return {
        name: {
            (str(getattr(group, key)), group.currency): (group.amount, group.count)
            for group in getattr(report, name)
        }
        for name, key in _LISTS.items()
    }
