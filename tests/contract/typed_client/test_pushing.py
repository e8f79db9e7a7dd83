"""Pushes by the typed client: every encoding, any size, and their receipts."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest

from client import Account, Client, InvalidRequestError, NewRemoval, NotFoundError
from tests.contract.typed_client.steps import purchase, read_feed, store


@pytest.mark.parametrize("ndjson", [False, True])
@pytest.mark.parametrize("gzip", [False, True])
async def test_what_is_pushed_is_read_again(
    client: Client, account: Account, *, ndjson: bool, gzip: bool
) -> None:
    # Given
    rows = [
        purchase(account, amount=Decimal("-12.00"), description="TESCO", mcc="5411"),
        purchase(account, amount=Decimal("1E+2"), pending=True, metadata={"a": [1]}),
        purchase(account, merchant_name="Aldi", authorized_date=dt.date(2026, 11, 19)),
    ]
    # When
    (receipt,) = await store(client, *rows, ndjson=ndjson, gzip=gzip)
    # Then
    assert (receipt.status, receipt.accepted, receipt.added) == ("stored", 3, 3)
    assert receipt.positions == {account.user_id: 3}
    read = {row.transaction_id: row for row in await read_feed(client, account)}
    assert {row.transaction_id: row.amount for row in rows} == {
        name: row.amount for name, row in read.items()
    }
    assert {row.date for row in read.values()} == {dt.date(2026, 11, 20)}
    assert read[rows[1].transaction_id].pending
    assert read[rows[0].transaction_id].category.detailed == "FOOD_AND_DRINK_GROCERIES"


async def test_a_push_beyond_the_bounds_of_a_request_becomes_several(
    client: Client, account: Account
) -> None:
    # Given
    rows = [purchase(account, transaction_id=f"t{n}") for n in range(10_001)]
    removed = NewRemoval(account_id=account.account_id, transaction_id="t0")
    # When
    pushed = await client.push(rows, [removed], gzip=True)
    receipts = [await client.wait_for_receipt(push.ingest_id) for push in pushed]
    # Then
    assert [(push.accepted, push.removed) for push in pushed] == [(10_000, 0), (1, 1)]
    assert sum(receipt.added for receipt in receipts) == 10_001
    assert receipts[-1].removed == 1
    assert len([row async for row in client.iterate_feed(account.user_id)]) == 10_000


async def test_a_bad_row_is_named_by_its_pointer(client: Client, account: Account) -> None:
    rows = [purchase(account), purchase(account, currency="XYZ")]
    with pytest.raises(InvalidRequestError) as refusal:
        await client.push(rows)
    assert refusal.value.status == 422
    assert [fault.pointer for fault in refusal.value.errors] == ["/transactions/1/currency"]
    assert await read_feed(client, account) == []


async def test_a_receipt_comes_at_once_or_when_the_push_is_stored(
    client: Client, account: Account
) -> None:
    (pushed,) = await client.push([purchase(account)])
    assert (await client.get_receipt(pushed.ingest_id)).status in {"queued", "stored"}
    assert (await client.get_receipt(pushed.ingest_id, wait=20)).status == "stored"
    with pytest.raises(NotFoundError):
        await client.get_receipt("no/such?ingest")
