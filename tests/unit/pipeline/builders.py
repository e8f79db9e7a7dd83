"""Chunks for tests, from plain words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain, count
from uuid import UUID, uuid5

import numpy as np

from pipeline.transactions.chunk import SCHEMA, Chunk, Part
from pipeline.transactions.columns import NO_DATE
from pipeline.transactions.rows import Scored

SPACE = UUID(int=7)
_tick = count(1)


def user(name: str) -> bytes:
    return uuid5(SPACE, f"user {name}").bytes


def account(name: str) -> bytes:
    return uuid5(SPACE, f"account {name}").bytes


def tick(micros: int | None = None) -> bytes:
    """A UUIDv7 of our kind at `micros` after 2026-01-01; each call without one is later."""
    millis, rest = divmod(1_767_225_600_000_000 + (next(_tick) if micros is None else micros), 1000)
    high = (millis << 16) | 0x7000 | rest
    return (high << 64 | 1 << 63 | next(_tick)).to_bytes(16, "big")


@dataclass(frozen=True)
class Push:
    """One pushed transaction."""

    id: str
    account: str = "checking"
    amount: int = -450
    day: date = date(2026, 1, 15)
    description: str = "SQ *BLUE BOTTLE"
    pending: bool = False
    names_pending: str | None = None
    currency: str = "USD"


@dataclass(frozen=True)
class Remove:
    """One pushed removal."""

    id: str
    account: str = "checking"


@dataclass(frozen=True)
class Ingest:
    """One request: its items and when it was accepted (None: now)."""

    items: Sequence[Push | Remove]
    at: int | None = None


def days(day: date | None) -> int:
    return NO_DATE if day is None else (day - date(1970, 1, 1)).days


def owner_of(account_name: str) -> str:
    """The test's accounts belong to the user before the dot, or to `ann`."""
    return account_name.split(".", maxsplit=1)[0] if "." in account_name else "ann"


def chunk(*ingests: Ingest) -> Chunk:
    """A chunk of these ingests, in this order."""
    pushes = [[i for i in ingest.items if isinstance(i, Push)] for ingest in ingests]
    removes = [[i for i in ingest.items if isinstance(i, Remove)] for ingest in ingests]
    rows, gone = list(chain.from_iterable(pushes)), list(chain.from_iterable(removes))
    names = list(dict.fromkeys(item.account for item in [*rows, *gone]))
    currencies = list(dict.fromkeys(row.currency for row in rows))
    columns: dict[str, bytes | list[str | None]] = {
        "booked_on": np.array([days(r.day) for r in rows], "i4").tobytes(),
        "amount": np.array([r.amount for r in rows], "i8").tobytes(),
        "pending": np.array([r.pending for r in rows], "?").tobytes(),
        "transaction_id": [r.id for r in rows],
        "description": [r.description for r in rows],
    }
    if any(r.names_pending for r in rows):
        columns["pending_transaction_id"] = [r.names_pending for r in rows]
    return Chunk(
        schema=SCHEMA,
        chunk_id=tick(),
        parts=[
            Part(tick(ingest.at), 0, len(p), len(r))
            for ingest, p, r in zip(ingests, pushes, removes, strict=True)
        ],
        accounts=[account(name) for name in names],
        users=[user(owner_of(name)) for name in names],
        currencies=currencies,
        account=np.array([names.index(r.account) for r in rows], "i4").tobytes(),
        currency=np.array([currencies.index(r.currency) for r in rows], "u1").tobytes(),
        columns=columns,
        removed_account=np.array([names.index(r.account) for r in gone], "i4").tobytes(),
        removed_transaction_id=[r.id for r in gone],
    )


def scored(chunk: Chunk, category: str = "FOOD_AND_DRINK_COFFEE") -> Scored:
    n = len(chunk)
    return Scored(
        category=[category] * n,
        confidence=np.full(n, 0.9, np.float32),
        source=["model"] * n,
        needs_review=np.zeros(n, np.bool_),
        merchant=["Blue Bottle"] * n,
        merchant_key=["blue bottle"] * n,
        model_version=3,
    )
