"""What becomes of a pushed transaction, as a reader sees it."""

from __future__ import annotations

import gzip
from typing import Any
from uuid import uuid4

import msgspec

from tests.support.raw_client import RawClient, purchase

Account = dict[str, str]


async def feed(client: RawClient, account: Account, **query: Any) -> list[dict[str, Any]]:
    answer = await client.get(f"/v1/users/{account['user_id']}/transactions", **query)
    assert answer.status == 200, answer
    return answer.body["transactions"]


async def sync(client: RawClient, account: Account, **query: Any) -> dict[str, Any]:
    answer = await client.get(f"/v1/users/{account['user_id']}/transactions/sync", **query)
    assert answer.status == 200, answer
    return answer.body


async def test_a_pushed_transaction_is_accepted_stored_and_read_back(
    client: RawClient, account: Account
) -> None:
    # Given
    pushed = purchase(
        account, mcc="5814", metadata={"terminal": 7}, datetime="2026-11-20T08:05:00.250000Z"
    )
    # When
    accepted = await client.post("/v1/transactions", {"transactions": [pushed]})
    receipt = await client.get(accepted.headers["Location"], wait=20)
    # Then
    assert accepted.status == 202
    assert accepted.body.keys() == {"ingest_id", "accepted", "removed"}
    assert (accepted.body["accepted"], accepted.body["removed"]) == (1, 0)
    assert receipt.body["status"] == "stored"
    assert receipt.body["added"] == 1
    assert receipt.body["positions"] == {account["user_id"]: 1}
    (read,) = await feed(client, account)
    assert read.keys() == {
        "id", "transaction_id", "account_id", "date", "amount", "currency", "description",
        "merchant", "category", "pending", "position", "reason", "datetime", "authorized_date",
        "merchant_name", "mcc", "pending_transaction_id", "metadata",
    }  # fmt: skip
    assert {name: read[name] for name in pushed} == pushed
    assert (
        read["authorized_date"] is read["merchant_name"] is read["pending_transaction_id"] is None
    )
    assert read["category"]["primary"] == "FOOD_AND_DRINK"
    assert read["category"]["detailed"] == "FOOD_AND_DRINK_GROCERIES"
    assert (read["reason"], read["position"], read["pending"]) == ("added", 1, False)


async def test_a_single_transaction_says_what_decided_its_category(
    client: RawClient, account: Account
) -> None:
    await client.push(purchase(account, mcc="0742"))
    (read,) = await feed(client, account)
    single = await client.get(f"/v1/users/{account['user_id']}/transactions/{read['id']}")
    assert single.status == 200
    explanation = single.body.pop("explanation")
    assert single.body == read
    assert explanation["decided_by"] == read["category"]["source"]
    assert explanation["mcc"] == "0742"


async def test_the_same_content_again_changes_nothing(client: RawClient, account: Account) -> None:
    pushed = purchase(account)
    await client.push(pushed)
    again = await client.push(pushed)
    assert again.body["unchanged"] == 1
    assert (await sync(client, account))["position"] == 1


async def test_another_date_moves_the_row_and_keeps_its_id(
    client: RawClient, account: Account
) -> None:
    pushed = purchase(account, date="2026-10-31")
    await client.push(pushed)
    (before,) = await feed(client, account)
    receipt = await client.push(pushed | {"date": "2026-11-01"})
    (after,) = await feed(client, account)
    assert receipt.body["modified"] == 1
    assert (after["id"], after["date"]) == (before["id"], "2026-11-01")
    assert after["reason"] == "provider_update"


async def test_a_removed_row_leaves_the_feed_and_does_not_return(
    client: RawClient, account: Account
) -> None:
    pushed = purchase(account)
    await client.push(pushed)
    cursor = (await sync(client, account))["next_cursor"]
    gone = {"account_id": account["account_id"], "transaction_id": pushed["transaction_id"]}
    receipt = await client.push(removed=[gone])
    await client.push(pushed)
    changes = await sync(client, account, cursor=cursor)
    assert receipt.body["removed"] == 1
    assert await feed(client, account) == []
    (removed,) = changes["removed"]
    assert removed.keys() == {"id", "transaction_id", "account_id", "position", "reason"}
    assert removed["reason"] == "removed"


async def test_a_posted_row_replaces_its_pending_one(client: RawClient, account: Account) -> None:
    pending = purchase(account, pending=True)
    await client.push(pending)
    posted = purchase(account, pending_transaction_id=pending["transaction_id"], amount="-5.10")
    await client.push(posted)
    (read,) = await feed(client, account)
    assert (read["transaction_id"], read["pending"]) == (posted["transaction_id"], False)
    assert read["reason"] == "pending_posted"


async def test_one_bank_side_id_in_two_accounts_is_two_transactions(
    client: RawClient, account: Account
) -> None:
    other = await client.post(
        "/v1/accounts",
        {"user_id": account["user_id"], "external_id": "second", "currency": "GBP"},
    )
    same = {"transaction_id": "one"}
    await client.push(purchase(account, **same), purchase(other.body, **same))
    assert len(await feed(client, account)) == 2
    assert len(await feed(client, account, account_id=other.body["account_id"])) == 1


async def test_ndjson_and_gzip_are_accepted(client: RawClient, account: Account) -> None:
    rows = [purchase(account) for _ in range(3)]
    body = b"\n".join(map(msgspec.json.encode, rows)) + b"\n"
    headers = {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}
    accepted = await client.post("/v1/transactions", gzip.compress(body), headers)
    assert (accepted.status, accepted.body["accepted"]) == (202, 3)


async def test_a_push_larger_than_a_chunk_has_one_receipt(
    client: RawClient, account: Account
) -> None:
    receipt = await client.push(*(purchase(account) for _ in range(173)))
    assert receipt.body["added"] == receipt.body["accepted"] == 173
    assert receipt.body["positions"] == {account["user_id"]: 173}


async def test_every_amount_form_is_read_exactly(client: RawClient, account: Account) -> None:
    texts = {"-0.00": "0.00", "12": "12.00", "-7.5": "-7.50", "9999999999999.99": None}
    for given, read in texts.items():
        await client.push(purchase(account, amount=given, transaction_id=given))
        await client.push(
            purchase(account, amount=msgspec.Raw(given.encode()), transaction_id=given)
        )
        (row,) = [r for r in await feed(client, account) if r["transaction_id"] == given]
        assert row["amount"] == (read or given)


async def test_text_of_any_script_is_kept_unmodified(client: RawClient, account: Account) -> None:
    texts = [
        "שלום 42", "café ☕️ 👩‍👩‍👧", "a\u200bb", "12345", "'; DROP TABLE users; --",
        "<script>alert(1)</script>", "=cmd|' /C calc'!A0", "  two  spaces ", "",
    ]  # fmt: skip
    await client.push(
        *(purchase(account, transaction_id=str(i), description=t) for i, t in enumerate(texts))
    )
    read = {row["transaction_id"]: row["description"] for row in await feed(client, account)}
    assert read == {str(i): text for i, text in enumerate(texts)}


async def test_a_batch_of_the_same_thing_is_one_row(client: RawClient, account: Account) -> None:
    receipt = await client.push(*[purchase(account, transaction_id="same")] * 120)
    assert receipt.body["accepted"] == 120
    assert len(await feed(client, account)) == 1


async def test_users_mixed_in_one_batch_keep_to_their_feeds(
    client: RawClient, account: Account
) -> None:
    # Given
    other = await client.new_account(f"other-{uuid4().hex}")
    # When
    receipt = await client.push(
        *(purchase(to, transaction_id="same") for to in (account, other, account))
    )
    # Then
    assert receipt.body["positions"].keys() == {account["user_id"], other["user_id"]}
    for owner in (account, other):
        (row,) = await feed(client, owner)
        assert row["account_id"] == owner["account_id"]


async def test_ids_that_differ_in_case_or_inner_space_are_different(
    client: RawClient, account: Account
) -> None:
    ids = {"ab", "AB", "a b", "a  b", "ａｂ"}  # noqa: RUF001 - the last in full width
    await client.push(*(purchase(account, transaction_id=i) for i in sorted(ids)))
    assert {row["transaction_id"] for row in await feed(client, account)} == ids
