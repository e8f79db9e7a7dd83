"""Steps that the tests of the typed client share."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import msgspec

from client import (
    Account,
    ChangePage,
    Client,
    Exchange,
    NewTransaction,
    PushReceipt,
    Transaction,
    TransactionFilter,
)


def purchase(account: Account, **fields: Any) -> NewTransaction:
    row = NewTransaction(
        transaction_id=uuid4().hex,
        account_id=account.account_id,
        date=dt.date(2026, 11, 20),
        amount=Decimal("-4.50"),
        currency="GBP",
        description="SQ *BLUE BOTTLE 4829 OAKLAND CA",
    )
    return msgspec.structs.replace(row, **fields)


async def store(client: Client, *rows: NewTransaction, **options: Any) -> list[PushReceipt]:
    pushed = await client.push(rows, **options)
    return [await client.wait_for_receipt(push.ingest_id) for push in pushed]


async def read_feed(client: Client, account: Account, **fields: Any) -> list[Transaction]:
    rows = client.iterate_feed(account.user_id, TransactionFilter(**fields), page_rows=2)
    return [row async for row in rows]


async def follow(
    client: Client, account: Account, copy: dict[UUID, Transaction], cursor: str | None = None
) -> list[ChangePage]:
    """Bring the copy up to date by pages of two; the pages."""
    pages = []
    async for page in client.iterate_changes(account.user_id, cursor, page_rows=2):
        page.apply_to(copy)
        pages.append(page)
    return pages


def statuses(tries: list[Exchange]) -> list[int]:
    return [seen.status for seen in tries]
