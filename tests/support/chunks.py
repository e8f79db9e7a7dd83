"""Chunks for tests: small, valid, and different in every call that gives another seed."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
import numpy as np

from pipeline.database.clock import Clock
from pipeline.transactions.chunk import SCHEMA, Chunk, Part

clock = Clock()


def chunk(
    rows: int = 3,
    *,
    users: list[bytes] | None = None,
    accounts: list[bytes] | None = None,
    ids: list[str] | None = None,
    **fields: Any,
) -> Chunk:
    """One ingest of `rows` purchases, spread over `users` (each with one account) in turn.

    `fields` are fields of the chunk, or columns by name.
    """
    users = users or [uuid4().bytes]
    accounts = accounts or [UUID(bytes=user).bytes[::-1] for user in users]
    rows = len(ids) if ids is not None else rows
    columns: dict[str, Any] = {
        "booked_on": np.full(rows, 20_400, "<i4").tobytes(),
        "amount": (-np.arange(100, 100 + rows, dtype="<i8")).tobytes(),
        "pending": bytes(rows),
        "transaction_id": ids if ids is not None else [f"t{i}" for i in range(rows)],
        "description": [f"TESCO STORES {i % 7}" for i in range(rows)],
    }
    default = Chunk(
        schema=SCHEMA,
        chunk_id=clock.make_uuid7(),
        parts=[Part(clock.make_uuid7(), 0, rows, 0)],
        accounts=accounts,
        users=users,
        currencies=["GBP"],
        account=(np.arange(rows) % len(accounts)).astype("<i4").tobytes(),
        currency=bytes(rows),
        columns=columns | {n: v for n, v in fields.items() if n not in Chunk.__struct_fields__},
    )
    others = {name: v for name, v in fields.items() if name in Chunk.__struct_fields__}
    return msgspec.structs.replace(default, **others)


async def register(pool: asyncpg.Pool, *chunks: Chunk) -> None:
    """Make the users of these chunks, with their accounts and empty feeds."""
    owners = {
        account: user for c in chunks for account, user in zip(c.accounts, c.users, strict=True)
    }
    users = [UUID(bytes=user) for user in set(owners.values())]
    await pool.execute("INSERT INTO users (user_id) SELECT unnest($1::uuid[])", users)
    await pool.execute("INSERT INTO feeds (user_id) SELECT unnest($1::uuid[])", users)
    await pool.execute(
        "INSERT INTO accounts (account_id, user_id, external_id, currency) "
        "SELECT account, owner, 'main', 'GBP' FROM unnest($1::uuid[], $2::uuid[]) AS a(account, owner)",
        [UUID(bytes=account) for account in owners],
        [UUID(bytes=user) for user in owners.values()],
    )
