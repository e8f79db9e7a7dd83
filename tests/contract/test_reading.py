"""The feed by pages, sync by cursors, and answers that cost nothing when nothing changed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.raw_client import RawClient, purchase

Account = dict[str, str]


def path(account: Account, rest: str = "") -> str:
    return f"/v1/users/{account['user_id']}/transactions{rest}"


async def pages(client: RawClient, url: str, **query: Any) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    cursor = {}
    while True:
        answer = await client.get(url, **query, **cursor)
        rows += answer.body["transactions"]
        if answer.body["next_cursor"] is None:
            return rows
        cursor = {"cursor": answer.body["next_cursor"]}


async def test_pages_of_the_feed_hold_every_row_once_newest_first(
    client: RawClient, account: Account
) -> None:
    await client.push(
        *(purchase(account, date=f"2026-{1 + i % 11:02}-{1 + i % 28:02}") for i in range(57))
    )
    rows = await pages(client, path(account), limit=10)
    assert len({row["id"] for row in rows}) == len(rows) == 57
    order = [(row["date"], row["id"]) for row in rows]
    assert order == sorted(order, reverse=True)


async def test_filters_choose_rows(client: RawClient, account: Account) -> None:
    await client.push(
        purchase(account, amount="-10.00", date="2026-10-01", description="Tesco"),
        purchase(account, amount="25.00", date="2026-11-01", description="Aldi"),
    )

    async def amounts(**query: Any) -> list[str]:
        return [row["amount"] for row in await pages(client, path(account), **query)]

    assert await amounts(min_amount="0") == ["25.00"]
    assert await amounts(max_amount="-10.00") == ["-10.00"]
    assert await amounts(**{"from": "2026-11-01"}) == ["25.00"]
    assert await amounts(to="2026-10-31") == ["-10.00"]
    assert await amounts(merchant="tesco") == ["-10.00"]
    assert await amounts(category="FOOD_AND_DRINK") == ["25.00", "-10.00"]
    assert await amounts(category="FOOD_AND_DRINK_COFFEE") == []
    assert await amounts(needs_review="false") == []


async def test_amounts_are_compared_in_the_units_of_each_currency(
    client: RawClient, account: Account
) -> None:
    await client.push(
        purchase(account, amount="-1000", currency="JPY"),
        purchase(account, amount="-1000.00", currency="GBP"),
        purchase(account, amount="-1000.000", currency="KWD"),
        purchase(account, amount="-999", currency="JPY"),
    )
    rows = await pages(client, path(account), max_amount="-1000")
    assert {row["currency"] for row in rows} == {"JPY", "GBP", "KWD"}
    assert len(rows) == 3


async def test_sync_brings_all_changes_page_by_page(client: RawClient, account: Account) -> None:
    # Given
    first = [purchase(account) for _ in range(25)]
    await client.push(*first)
    # When
    seen: list[str] = []
    cursor: dict[str, str] = {}
    more = True
    while more:
        page = (await client.get(path(account, "/sync"), limit=10, **cursor)).body
        seen += [row["id"] for row in page["added"]]
        cursor, more = {"cursor": page["next_cursor"]}, page["has_more"]
    # Then
    assert len(set(seen)) == len(seen) == 25
    await client.push(first[0] | {"amount": "-1.00"}, purchase(account))
    changes = (await client.get(path(account, "/sync"), **cursor)).body
    assert (len(changes["added"]), len(changes["modified"])) == (1, 1)
    again = (await client.get(path(account, "/sync"), cursor=changes["next_cursor"])).body
    assert (again["added"], again["modified"], again["removed"]) == ([], [], [])
    assert again["position"] == 27


@pytest.mark.parametrize("rest", ["", "/sync", "/../insights/spending"])
async def test_what_the_reader_has_already_is_not_sent_again(
    client: RawClient, account: Account, rest: str
) -> None:
    # Given
    await client.push(purchase(account))
    first = await client.get(path(account, rest))
    tag = first.headers["ETag"]
    assert tag.startswith('"1-')
    # When
    same = await client.get(path(account, rest), {"If-None-Match": f'"x", W/{tag}'})
    # Then
    assert (same.status, same.body, same.headers["ETag"]) == (304, None, tag)
    await client.push(purchase(account))
    changed = await client.get(path(account, rest), {"If-None-Match": tag})
    assert changed.status == 200
    assert changed.body["position"] == 2
    assert changed.headers["ETag"].startswith('"2-')


async def test_spending_agrees_with_the_feed(client: RawClient, account: Account) -> None:
    # Given
    amounts = ["-10.00", "-2.50", "4.00", "-0.49"]
    await client.push(*(purchase(account, amount=a, date="2026-10-05") for a in amounts))
    await client.push(purchase(account, date="2026-09-30"))
    # When
    url = f"/v1/users/{account['user_id']}/insights/spending"
    insight = (await client.get(url, month="2026-10")).body
    # Then
    total = insight["currency_totals"]["GBP"]
    assert total == {
        "income": "0.00", "spending": "8.99", "money_in": "4.00", "money_out": "12.99",
        "transfers": "0.00", "count": 4,
    }  # fmt: skip
    assert insight["period"] == {"from": "2026-10-01", "to": "2026-10-31"}
    (category,) = insight["by_category"]
    assert category == {
        "category": "FOOD_AND_DRINK_GROCERIES", "primary": "FOOD_AND_DRINK", "currency": "GBP",
        "amount": "-8.99", "count": 4,
    }  # fmt: skip
    (account_sum,) = insight["by_account"]
    assert account_sum["account_id"] == account["account_id"]
    (merchant,) = insight["by_merchant"]
    assert merchant["merchant_key"]
    (day,) = insight["by_day"]
    assert (day["date"], day["spending"], day["count"]) == ("2026-10-05", "8.99", 4)
    same = (await client.get(url, **{"from": "2026-10-01", "to": "2026-10-31"})).body
    assert same == insight


async def test_taxonomy_lists_the_categories(client: RawClient) -> None:
    listed = (await client.get("/v1/taxonomy")).body["categories"]
    assert len(listed) > 100
    assert {"code", "primary", "name", "parent"} <= listed[0].keys()
