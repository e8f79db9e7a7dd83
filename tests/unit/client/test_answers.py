"""Answers as types: newer fields do no harm, copies follow changes, secrets stay hidden."""

from __future__ import annotations

import datetime as dt
import pickle
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest
from rich.pretty import pretty_repr

import client
from client import AppToken, ChangePage, PushReceipt, RemovedTransaction, Transaction, errors
from client.errors import build_problem_error

CATEGORY = {
    "primary": "FOOD_AND_DRINK", "detailed": "FOOD_AND_DRINK_COFFEE", "confidence": 0.9,
    "source": "model", "model_version": 3, "needs_review": False,
}  # fmt: skip


def transaction(number: int, **fields: Any) -> Transaction:
    content = {
        "id": str(UUID(int=number)), "transaction_id": f"t{number}",
        "account_id": str(UUID(int=7)), "date": "2026-11-20", "amount": "-4.50",
        "currency": "GBP", "description": "COFFEE", "merchant": "Coffee",
        "category": CATEGORY, "pending": False, "position": number, "reason": "added",
    }  # fmt: skip
    return msgspec.json.decode(msgspec.json.encode(content | fields), type=Transaction)


def changes(**fields: Any) -> ChangePage:
    empty: dict[str, Any] = {"added": (), "modified": (), "removed": (), "reset": False}
    return ChangePage(**(empty | fields), next_cursor="c", has_more=False, position=1)


def test_every_error_is_public() -> None:
    defined = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, Exception)
    }
    assert defined <= set(client.__all__)
    assert all(issubclass(getattr(errors, name), client.ClientError) for name in defined)


def test_amounts_are_decimals_and_dates_are_dates() -> None:
    read = transaction(1)
    assert (read.amount, str(read.amount)) == (Decimal("-4.50"), "-4.50")
    assert read.date == dt.date(2026, 11, 20)


def test_what_a_newer_api_adds_is_ignored() -> None:
    newer = transaction(1, processor="Square", category=CATEGORY | {"rank": 1}, merchant=None)
    assert newer.merchant is None
    assert newer.category == transaction(1).category


def test_a_copy_follows_the_changes() -> None:
    # Given
    rows = {row.id: row for row in (transaction(1), transaction(2))}
    changed, new = transaction(1, amount="-5.00"), transaction(3)
    gone, never_seen = (
        RemovedTransaction(UUID(int=n), f"t{n}", UUID(int=7), 4, "removed") for n in (2, 9)
    )
    # When
    changes(added=(new,), modified=(changed,), removed=(gone, never_seen)).apply_to(rows)
    # Then
    assert rows == {changed.id: changed, new.id: new}


def test_a_reset_voids_the_copy() -> None:
    rows = {row.id: row for row in (transaction(1), transaction(2))}
    again = transaction(2)
    changes(added=(again,), reset=True).apply_to(rows)
    assert rows == {again.id: again}


def test_the_representation_of_a_token_hides_its_secret() -> None:
    token = AppToken("sl_secret", dt.datetime(2026, 11, 28, tzinfo=dt.UTC))
    for text in (repr(token), str(token), f"{token}", pretty_repr(token)):
        assert "sl_secret" not in text
        assert "2026" in text


@pytest.mark.parametrize(
    ("status", "kind", "transient"),
    [
        (400, client.InvalidRequestError, False),
        (401, client.AuthenticationError, False),
        (403, client.PermissionDeniedError, False),
        (404, client.NotFoundError, False),
        (409, client.ConflictError, False),
        (418, client.ProblemError, False),
        (422, client.InvalidRequestError, False),
        (429, client.TooManyRequestsError, True),
        (500, client.ProblemError, False),
        (502, client.UnavailableError, True),
        (503, client.UnavailableError, True),
        (504, client.UnavailableError, True),
        (599, client.ProblemError, False),
    ],
)
def test_an_error_that_is_no_problem_document_is_known_by_its_status(
    status: int, kind: type[client.ProblemError], *, transient: bool
) -> None:
    for body in (b"", b"<html>Bad gateway</html>", b"[]", b"\xff", b'{"errors": 7}'):
        error = build_problem_error(status, body, 3.0)
        assert type(error) is kind
        assert (error.status, error.retry_after, error.transient) == (status, 3.0, transient)
        assert error.title


def test_a_problem_document_becomes_the_attributes_of_the_error() -> None:
    # Given
    document = {
        "type": "urn:spendline:problem:invalid-values", "title": "Invalid values", "status": 422,
        "detail": "1 invalid value", "request_id": "abc", "newer": True,
        "errors": [{"pointer": "/transactions/0/amount", "detail": "is no decimal", "code": 1}],
    }  # fmt: skip
    # When
    error = build_problem_error(422, msgspec.json.encode(document), None)
    # Then
    assert error.errors == (client.InvalidValue("/transactions/0/amount", "is no decimal"),)
    assert (error.title, error.detail, error.request_id) == (
        "Invalid values", "1 invalid value", "abc",
    )  # fmt: skip
    assert str(error) == (
        "422 Invalid values: 1 invalid value; /transactions/0/amount is no decimal (request abc)"
    )
    assert str(build_problem_error(503, b"", None)) == "503 Service Unavailable"


def test_a_conflict_is_transient_while_the_first_request_runs() -> None:
    document = {"type": "urn:spendline:problem:still-running", "title": "Still running"}
    assert build_problem_error(409, msgspec.json.encode(document), 1.0).transient
    assert not build_problem_error(409, msgspec.json.encode({"type": "other"}), 1.0).transient


def test_errors_travel_between_processes() -> None:
    receipt = PushReceipt("i", "failed", 1, 0, 0, 0, 0, reason="a defect")
    for error in (build_problem_error(422, b"{}", None), client.PushFailedError(receipt)):
        copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - pickled here
        assert (type(copy), str(copy), copy.args) == (type(error), str(error), error.args)
