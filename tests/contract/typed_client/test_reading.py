"""Reads by the typed client: pages, changes, sums, and what is not sent again."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import msgspec
import pytest

from client import (
    Account,
    Client,
    Exchange,
    InvalidRequestError,
    NewRemoval,
    NotFoundError,
    Transaction,
)
from tests.contract.typed_client.steps import follow, purchase, read_feed, statuses, store


async def test_pages_of_the_feed_hold_every_row_once_newest_first(
    client: Client, account: Account, tries: list[Exchange]
) -> None:
    await store(client, *(purchase(account, date=dt.date(2026, 11, 1 + n)) for n in range(5)))
    tries.clear()
    rows = await read_feed(client, account)
    assert len(tries) == 3
    assert len({row.id for row in rows}) == len(rows) == 5
    assert all(newer.date > older.date for newer, older in pairwise(rows))


async def test_filters_choose_rows(client: Client, account: Account) -> None:
    # Given
    await store(
        client,
        purchase(account, amount=Decimal("-10.00"), date=dt.date(2026, 10, 1), description="Tesco"),
        purchase(account, amount=Decimal("25.00"), date=dt.date(2026, 11, 1), description="Aldi"),
    )

    async def amounts(**fields: Any) -> list[str]:
        return [str(row.amount) for row in await read_feed(client, account, **fields)]

    # When, then
    assert await amounts(first=dt.date(2026, 11, 1)) == ["25.00"]
    assert await amounts(last=dt.date(2026, 10, 31)) == ["-10.00"]
    assert await amounts(min_amount=Decimal(0)) == ["25.00"]
    assert await amounts(max_amount=Decimal("-1E+1")) == ["-10.00"]
    assert await amounts(merchant="tesco") == ["-10.00"]
    assert await amounts(category="FOOD_AND_DRINK") == ["25.00", "-10.00"]
    assert await amounts(needs_review=False) == []
    assert await amounts(account_id=account.account_id) == ["25.00", "-10.00"]
    with pytest.raises(InvalidRequestError) as refusal:
        await amounts(category="NO_SUCH")
    assert [fault.pointer for fault in refusal.value.errors] == ["/category"]


async def test_a_copy_follows_the_feed_by_its_changes(client: Client, account: Account) -> None:
    # Given
    rows = [purchase(account) for _ in range(5)]
    await store(client, *rows)
    copy: dict[UUID, Transaction] = {}
    before = await follow(client, account, copy)
    assert {row.transaction_id for row in copy.values()} == {row.transaction_id for row in rows}
    # When
    gone = NewRemoval(account_id=account.account_id, transaction_id=rows[0].transaction_id)
    changed = msgspec.structs.replace(rows[1], amount=Decimal("-9.99"))
    await store(client, changed, purchase(account), removed=[gone])
    after = await follow(client, account, copy, before[-1].next_cursor)
    # Then
    assert sum(len(page.added) for page in after) == 1
    assert sum(len(page.modified) for page in after) == 1
    assert sum(len(page.removed) for page in after) == 1
    assert copy == {row.id: row for row in await read_feed(client, account)}


async def test_a_copy_that_a_restore_has_voided_is_replaced(
    client: Client, account: Account, pool: asyncpg.Pool
) -> None:
    # Given a copy that holds a row which the feed has not: a restore took the row back
    await store(client, *(purchase(account) for _ in range(3)))
    copy: dict[UUID, Transaction] = {}
    before = await follow(client, account, copy)
    lost = msgspec.structs.replace(next(iter(copy.values())), id=uuid4())
    copy[lost.id] = lost
    await pool.execute(
        "UPDATE feeds SET undone = int8multirange(int8range(position, position + 1)),"
        " position = position + 1 WHERE user_id = $1",
        account.user_id,
    )
    await store(client, purchase(account))
    # When
    after = await follow(client, account, copy, before[-1].next_cursor)
    # Then
    assert [page.reset for page in after] == [True, False]
    assert lost.id not in copy
    assert copy == {row.id: row for row in await read_feed(client, account)}


async def test_one_transaction_says_what_decided_its_category(
    client: Client, account: Account
) -> None:
    await store(client, purchase(account, mcc="5411"))
    (row,) = await read_feed(client, account)
    shown = await client.get_transaction(account.user_id, row.id)
    assert (shown.id, shown.amount, shown.category) == (row.id, row.amount, row.category)
    assert (shown.explanation.mcc, shown.explanation.decided_by) == ("5411", row.category.source)
    with pytest.raises(NotFoundError):
        await client.get_transaction(account.user_id, uuid4())


async def test_spending_agrees_with_the_feed(client: Client, account: Account) -> None:
    # Given
    amounts = [Decimal(text) for text in ("-10.00", "-2.50", "4.00", "-0.49")]
    await store(client, *(purchase(account, amount=a, date=dt.date(2026, 10, 5)) for a in amounts))
    # When
    report = await client.get_spending(account.user_id, month="2026-10")
    # Then
    total = report.currency_totals["GBP"]
    assert (total.spending, total.money_in, total.money_out, total.count) == (
        Decimal("8.99"), Decimal("4.00"), Decimal("12.99"), 4,
    )  # fmt: skip
    first, last = dt.date(2026, 10, 1), dt.date(2026, 10, 31)
    assert (report.period.first, report.period.last) == (first, last)
    assert sum(entry.amount for entry in report.by_category) == sum(amounts)
    assert [entry.account_id for entry in report.by_account] == [account.account_id]
    assert [entry.date for entry in report.by_day] == [dt.date(2026, 10, 5)]
    assert all(entry.merchant_key for entry in report.by_merchant)
    assert await client.get_spending(account.user_id, first=first, last=last) == report


async def test_what_has_not_changed_is_not_sent_again(
    client: Client, account: Account, tries: list[Exchange]
) -> None:
    # Given
    await store(client, purchase(account))
    user, before = account.user_id, []
    for _ in range(2):
        tries.clear()
        before += [await client.get_feed_page(user), await client.get_changes(user)]
        before += [await client.get_spending(user, month="2026-11")]
    # When nothing has changed
    assert statuses(tries) == [304] * 3
    assert before[:3] == before[3:]
    # When something has
    await store(client, purchase(account))
    tries.clear()
    pages = [await client.get_feed_page(user), await client.get_feed_page(user)]
    # Then
    assert statuses(tries) == [200, 304]
    assert [len(page.transactions) for page in pages] == [2, 2]
