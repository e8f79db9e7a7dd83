"""What is pushed: as the API wants it written, and split where the API's bounds are."""

from __future__ import annotations

import datetime as dt
import gzip
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest

from api.ingest.parse import read_items
from client import pushes
from client.pushes import (
    JSON,
    MAX_BYTES,
    MAX_ITEMS,
    NewRemoval,
    NewTransaction,
    PushBody,
    split_push,
)
from pipeline.transactions import money as transactions

ACCOUNT = UUID(int=7)


def row(number: int = 0, **fields: Any) -> NewTransaction:
    return msgspec.structs.replace(
        NewTransaction(
            transaction_id=f"t{number}",
            account_id=ACCOUNT,
            date=dt.date(2026, 11, 20),
            amount=Decimal("-4.50"),
            currency="GBP",
            description="COFFEE",
        ),
        **fields,
    )


def removal(number: int = 0) -> NewRemoval:
    return NewRemoval(account_id=ACCOUNT, transaction_id=f"t{number}")


def ids(bodies: list[PushBody]) -> list[tuple[list[str], list[str]]]:
    """Transaction ids and removed ids of each body, as the API reads them."""
    items = [read_items(body.content, body.media_type) for body in bodies]
    return [
        ([t.transaction_id for t in i.transactions], [r.transaction_id for r in i.removed])
        for i in items
    ]


def test_the_bounds_are_those_of_the_api() -> None:
    assert (MAX_ITEMS, MAX_BYTES) == (transactions.MAX_ITEMS, transactions.MAX_BODY)


def test_transactions_and_removals_that_fit_are_one_request() -> None:
    bodies = list(split_push([row(1), row(2)], [removal(3)], ndjson=False))
    assert ids(bodies) == [(["t1", "t2"], ["t3"])]


def test_nothing_makes_no_request() -> None:
    assert list(split_push([], [], ndjson=False)) == []
    assert list(split_push([], [], ndjson=True)) == []


def test_a_request_holds_as_many_items_as_the_api_takes() -> None:
    # Given
    rows = map(row, range(MAX_ITEMS + 1))
    removals = map(removal, range(MAX_ITEMS))
    # When
    read = ids(list(split_push(rows, removals, ndjson=False)))
    # Then
    counts = [(len(pushed), len(removed)) for pushed, removed in read]
    assert counts == [(MAX_ITEMS, 0), (1, MAX_ITEMS - 1), (0, 1)]
    assert [name for pushed, _ in read for name in pushed] == [
        f"t{n}" for n in range(MAX_ITEMS + 1)
    ]


@pytest.mark.parametrize("ndjson", [False, True])
def test_a_request_holds_as_many_bytes_as_the_api_takes(
    monkeypatch: pytest.MonkeyPatch, *, ndjson: bool
) -> None:
    # Given
    size = len(next(split_push([row(0)] * 3, [], ndjson=False)).content)
    monkeypatch.setattr(pushes, "MAX_BYTES", size + 1)  # one comma is counted too many
    # When
    bodies = list(split_push(map(row, range(8)), [], ndjson=ndjson))
    # Then
    assert [len(pushed) for pushed, _ in ids(bodies)] == [3, 3, 2]
    assert all(len(body.content) <= size + 1 for body in bodies)


def test_an_item_that_is_too_large_is_left_to_the_api(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pushes, "MAX_BYTES", 400)
    rows = [row(0), row(1, description="x" * 1000), row(2)]
    bodies = list(split_push(rows, [], ndjson=False))
    assert [pushed for pushed, _ in ids(bodies)] == [["t0"], ["t1"], ["t2"]]


def test_ndjson_leaves_removals_to_a_request_of_their_own() -> None:
    bodies = list(split_push([row(1), row(2)], [removal(3)], ndjson=True))
    assert ids(bodies) == [(["t1", "t2"], []), ([], ["t3"])]


@pytest.mark.parametrize(
    ("amount", "text"),
    [("-4.50", "-4.50"), ("1E+3", "1000"), ("0E-8", "0.00000000"), ("-1E-7", "-0.0000001")],
)
def test_amounts_are_written_without_an_exponent(amount: str, text: str) -> None:
    (body,) = split_push([row(amount=Decimal(amount), mcc="5814")], [], ndjson=False)
    (pushed,) = msgspec.json.decode(body.content)["transactions"]
    assert pushed["amount"] == text
    assert pushed["mcc"] == "5814"


def test_what_is_left_out_is_not_sent() -> None:
    (body,) = split_push([row()], [], ndjson=False)
    (pushed,) = msgspec.json.decode(body.content)["transactions"]
    assert pushed == {
        "transaction_id": "t0", "account_id": str(ACCOUNT), "date": "2026-11-20",
        "amount": "-4.50", "currency": "GBP", "description": "COFFEE",
    }  # fmt: skip


def test_a_compressed_body_unpacks_to_the_plain_one() -> None:
    body = PushBody(b"[]" * 1000)
    packed = body.compress()
    assert gzip.decompress(packed.content) == body.content
    assert (packed.gzipped, packed.media_type) == (True, JSON)
    assert len(packed.content) < len(body.content)
