"""Paths, parameters and addresses, as they go over the wire."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from uuid import UUID

import pytest

from client import Client, TransactionFilter
from client.queries import build_path, build_query


def test_a_filter_is_written_as_the_api_reads_it() -> None:
    rows = TransactionFilter(
        first=dt.date(2026, 11, 1),
        last=dt.date(2026, 11, 30),
        account_id=UUID(int=7),
        min_amount=Decimal("1E+3"),
        needs_review=False,
    )
    assert rows.build_query() == {
        "from": "2026-11-01",
        "to": "2026-11-30",
        "account_id": str(UUID(int=7)),
        "min_amount": "1000",
        "needs_review": "false",
    }


def test_what_is_none_is_no_parameter() -> None:
    assert build_query(cursor=None, limit=10) == {"limit": "10"}
    assert TransactionFilter().build_query() == {}


def test_a_segment_cannot_lead_to_another_path() -> None:
    assert build_path("ingests", "a/../b?c#d") == "/v1/ingests/a%2F..%2Fb%3Fc%23d"


@pytest.mark.parametrize(
    "url", ["", "localhost:8080", "ftp://host", "http://", "http://me:pw@host", "http://h/?a=1"]
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="base URL"):
        Client(url, "secret")


@pytest.mark.parametrize("token", ["", "sec ret", "secret\n", "sécret"])
def test_a_token_that_no_header_can_carry_is_refused_without_being_shown(token: str) -> None:
    with pytest.raises(ValueError, match="the token is empty or holds") as refusal:
        Client("http://host", token)
    assert not token.strip() or token.strip() not in str(refusal.value)


def test_the_representation_of_a_client_hides_the_token() -> None:
    assert repr(Client("http://host/", "secret")) == "Client('http://host')"
