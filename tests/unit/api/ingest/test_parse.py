"""The short way through a batch gives what the long way gives, and faults are all found."""

from __future__ import annotations

import json
from datetime import date
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.http.bodies import JSON, NDJSON
from api.http.problems import Invalid, Malformed, TooLarge
from api.ingest import validate
from api.ingest.columns import PushedColumns, build_chunk
from api.ingest.parse import read_items
from api.ingest.validate import check_items
from pipeline.access.accounts import Owner
from pipeline.database.partitions import Managed
from pipeline.transactions.chunk import Chunk
from pipeline.transactions.envelope import MAX_BYTES, encode_envelope
from pipeline.transactions.money import CURRENCIES, MAX_BODY, format_amount, parse_amount

ACCOUNT = str(uuid4())
OWNERS = {ACCOUNT: Owner(UUID(ACCOUNT).bytes, uuid4().bytes)}
MANAGED = Managed(date(2025, 1, 1), date(2026, 12, 31))


def row(**fields: Any) -> dict[str, Any]:
    right = {
        "transaction_id": "t1",
        "account_id": ACCOUNT,
        "date": "2026-11-20",
        "amount": "-4.50",
        "currency": "GBP",
        "description": "TESCO STORES 3297",
    }
    return right | fields


def read(*rows: dict[str, Any]) -> PushedColumns:
    items = read_items(msgspec.json.encode({"transactions": rows}), JSON)
    return check_items(items, OWNERS, MANAGED)


def sent(columns: PushedColumns) -> Chunk:
    return build_chunk(bytes(16), [(bytes(16), 0, columns)])


def test_a_message_is_shorter_than_the_body_whose_rows_it_carries() -> None:
    # Given the shortest rows that there are, each of its own account, and each optional column once
    owners = {str(uuid4()): Owner(uuid4().bytes, uuid4().bytes) for _ in range(1_000)}
    short = {"transaction_id": "é", "amount": "1", "description": ""}
    rows = [row(account_id=account, **short) for account in owners]
    rows[0] |= {"mcc": "5411", "authorized_date": "2026-11-20", "merchant_name": "a"}
    rows[1] |= {"category": "a", "pending_transaction_id": "a", "metadata": {"a": 1}}
    removed = [{"account_id": account, "transaction_id": "ü"} for account in owners]
    body = msgspec.json.encode({"transactions": rows, "removed": removed})
    # When
    chunk = sent(check_items(read_items(body, JSON), owners, MANAGED))
    # Then a body that may be pushed fits into a message
    assert len(encode_envelope(chunk, "ingest", 0)) < len(body) <= MAX_BODY <= MAX_BYTES


def test_a_right_batch_takes_the_short_way() -> None:
    items = read_items(msgspec.json.encode({"transactions": [row(), row(mcc="5411")]}), JSON)
    assert validate._build_columns_at_once(items, OWNERS, MANAGED) is not None


@given(
    st.lists(
        st.tuples(
            st.integers(-(10**14), 10**14),
            st.sampled_from(["GBP", "JPY", "KWD", "CLF"]),
            st.booleans(),
        ),
        min_size=1,
        max_size=20,
    )
)
def test_amounts_are_exact_in_any_form_and_currency(
    amounts: list[tuple[int, str, bool]],
) -> None:
    rows = []
    for minor, currency, as_number in amounts:
        text = format_amount(minor, currency)
        rows.append(
            row(currency=currency, amount=msgspec.Raw(text.encode()) if as_number else text)
        )
    assert read(*rows).values["amount"].tolist() == [minor for minor, _, _ in amounts]


@given(st.text(max_size=12) | st.from_regex(r"-?[0-9]{0,4}\.?[0-9]{0,3}", fullmatch=True))
def test_both_ways_accept_the_same_amounts(text: str) -> None:
    try:
        expected: list[int] | None = [parse_amount(text, "GBP")]
    except ValueError:
        expected = None
    try:
        found: object = read(row(amount=text)).values["amount"].tolist()
    except Invalid:
        found = None
    assert found == expected


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_a_description_is_kept_or_refused_for_a_control_character(text: str) -> None:
    control = any(ord(c) < 32 or 127 <= ord(c) < 160 for c in text)
    try:
        assert sent(read(row(description=text))).columns["description"] == [text]
        assert not control
    except Invalid:
        assert control


def test_what_is_left_out_and_what_is_null_are_the_same() -> None:
    names = ("merchant_name", "mcc", "pending_transaction_id", "authorized_date", "category")
    bare, full = read(row()), read(row(**dict.fromkeys(names), metadata={}, pending=False))
    assert sent(bare) == sent(full)


def test_optional_fields_arrive_in_their_columns() -> None:
    full = read(
        row(
            merchant_name="Tesco", mcc="0742", pending=True, pending_transaction_id="p",
            authorized_date="2026-11-19", category="X", metadata={"k": [1.10]},
        )
    )  # fmt: skip
    values = {name: list(column) for name, column in full.values.items()}
    assert (values["merchant_name"], values["mcc"], values["pending"]) == (["Tesco"], [742], [1])
    assert values["authorized_on"] == [(date(2026, 11, 19) - date(1970, 1, 1)).days]
    assert (values["pending_transaction_id"], values["provider_category"]) == (["p"], ["X"])
    assert values["metadata"] == ['{"k":[1.1]}']


def test_metadata_keeps_its_text() -> None:
    body = msgspec.json.encode({"transactions": [row(metadata="HERE")]})
    text = b'{ "n": 1.10, "n2": 12345678901234567890123 }'
    items = read_items(body.replace(b'"HERE"', text), JSON)
    assert check_items(items, OWNERS, MANAGED).values["metadata"] == [text.decode()]


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": "), (" , ", " : ")])
def test_a_repeated_key_is_found_in_any_spacing(separators: tuple[str, str]) -> None:
    text = json.dumps(
        {"transactions": [row(description='looks like a "key": here')]}, separators=separators
    )
    assert len(read_items(text.encode(), JSON).transactions) == 1
    comma, colon = separators
    twice = text.replace('"amount"', f'"amount"{colon}"1.00"{comma}"amount"')
    with pytest.raises(Malformed, match="twice"):
        read_items(twice.encode(), JSON)


def test_a_repeated_key_within_metadata_is_found() -> None:
    body = msgspec.json.encode({"transactions": [row(metadata="HERE")]})
    items = read_items(body.replace(b'"HERE"', b'{"a" : 1, "a" : 2}'), JSON)
    with pytest.raises(Invalid) as refusal:
        check_items(items, OWNERS, MANAGED)
    assert [fault.pointer for fault in refusal.value.faults] == ["/transactions/0/metadata"]


def test_all_faults_of_all_items_are_named() -> None:
    with pytest.raises(Invalid) as refusal:
        read(row(), row(amount="x", mcc="1"), row(date="2027-01-01"), row(currency="ABC"))
    assert [fault.pointer for fault in refusal.value.faults] == [
        "/transactions/1/amount",
        "/transactions/1/mcc",
        "/transactions/2/date",
        "/transactions/3/currency",
    ]


def test_lines_are_counted_without_blank_ones() -> None:
    body = b"\n\n".join(msgspec.json.encode(r) for r in (row(), row(amount=True)))
    items = read_items(b"\n" + body + b"\r\n\n", NDJSON)
    with pytest.raises(Invalid) as refusal:
        check_items(items, OWNERS, MANAGED)
    assert [fault.pointer for fault in refusal.value.faults] == ["/transactions/1/amount"]


def test_ten_thousand_items_are_accepted_and_one_more_is_not() -> None:
    assert len(read(*[row()] * 10_000)) == 10_000
    with pytest.raises(TooLarge):
        read(*[row()] * 10_001)


def test_removals_alone_are_a_batch() -> None:
    body = {"removed": [{"account_id": ACCOUNT, "transaction_id": "t"}]}
    made = check_items(read_items(msgspec.json.encode(body), JSON), OWNERS, MANAGED)
    assert (made.rows, made.removals, len(made)) == (0, 1, 1)


def test_every_currency_is_read_with_its_decimals() -> None:
    rows = [row(currency=code, amount="1") for code in CURRENCIES]
    assert read(*rows).values["amount"].tolist() == [
        10**decimals for decimals in CURRENCIES.values()
    ]


@pytest.mark.parametrize(
    ("time", "micros"),
    [
        ("1970-01-01T00:00:00.000001Z", 1),
        ("2026-11-20T08:05:00+09:00", 1_763_593_500_000_000 + 365 * 86_400_000_000),
    ],
)
def test_a_time_counts_from_1970_in_utc(time: str, micros: int) -> None:
    assert read(row(datetime=time)).values["booked_at"].tolist() == [micros]


@pytest.mark.parametrize(
    "time",
    ["2026-11-20T08:05:00", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "noon"],
)
def test_a_time_without_zone_or_beyond_what_can_be_stored_is_refused(time: str) -> None:
    with pytest.raises(Invalid) as raised:
        read(row(datetime=time))
    assert [fault.pointer for fault in raised.value.faults] == ["/transactions/0/datetime"]
