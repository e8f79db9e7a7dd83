"""Every kind of bad input is a clear refusal that names what is wrong, and nothing is taken."""

from __future__ import annotations

import gzip
import zlib
from typing import Any

import msgspec
import pytest

from tests.support.raw_client import RawClient, purchase

Account = dict[str, str]
PUSH = "/v1/transactions"


async def refused(
    client: RawClient, account: Account, body: Any, status: int, **headers: str
) -> Any:
    """The problem, after making sure that nothing was taken."""
    answer = await client.post(PUSH, body, headers)
    assert answer.status == status, answer
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.body["status"] == status
    assert answer.body["request_id"] == answer.headers["X-Request-ID"]
    feed = await client.get(f"/v1/users/{account['user_id']}/transactions")
    assert (feed.body["transactions"], feed.body["position"]) == ([], 0)
    return answer


WRONG_FIELDS = [
    ("amount", "NaN"), ("amount", "Infinity"), ("amount", "1e3"), ("amount", "1.234"),
    ("amount", "1,000.00"), ("amount", "+1.00"), ("amount", " 1.00"), ("amount", "01.00"),
    ("amount", "1000000000000000"), ("amount", ""), ("amount", True), ("amount", {}),
    ("amount", 1e3 + 0.125), ("amount", "\u0967.\u0966\u0966"),
    ("date", "0001-01-01"), ("date", "9999-12-31"), ("date", "1970-01-01"), ("date", "2100-01-01"),
    ("date", "2026-02-30"), ("date", "2026-11-20T10:00:00"), ("date", "20261120"), ("date", 5),
    ("currency", "usd"), ("currency", "XXX"), ("currency", ""), ("currency", 840),
    ("transaction_id", ""), ("transaction_id", "x" * 10_000), ("transaction_id", "a\x00b"),
    ("transaction_id", "a\nb"), ("transaction_id", "   "), ("transaction_id", 7),
    ("account_id", "nobody"), ("account_id", "00000000-0000-4000-8000-000000000000"),
    ("description", "nul \x00"), ("description", "ansi \x1b[31m"), ("description", "cr\r\nlf"),
    ("description", "x" * 1025), ("description", ["list"]),
    ("mcc", "58"), ("mcc", "58145"), ("mcc", "58I4"), ("mcc", "٥٨١٤"), ("mcc", 5814),
    ("pending", "yes"), ("pending_transaction_id", "a\x07"), ("authorized_date", "yesterday"),
    ("metadata", {"long": "x" * 5000}), ("metadata", [1]), ("metadata", "text"),
    ("metadata", {"nul": "\x00"}), ("merchant_name", "x\x00"), ("surprise", 1),
]  # fmt: skip


@pytest.mark.parametrize(("field", "value"), WRONG_FIELDS)
async def test_a_wrong_field_is_named_by_its_pointer(
    client: RawClient, account: Account, field: str, value: object
) -> None:
    # Given
    good, bad = purchase(account), purchase(account) | {field: value}
    # When
    answer = await refused(client, account, {"transactions": [good, bad, good]}, 422)
    # Then
    (pointer,) = answer.pointers
    assert pointer in {f"/transactions/1/{field}", "/transactions/1"}
    assert answer.body["errors"][0]["detail"]


async def test_yen_have_no_decimals(client: RawClient, account: Account) -> None:
    body = {"transactions": [purchase(account, currency="JPY", amount="1.50")]}
    answer = await refused(client, account, body, 422)
    assert answer.pointers == ["/transactions/0/amount"]


async def test_a_missing_field_is_named(client: RawClient, account: Account) -> None:
    answer = await refused(client, account, {"transactions": [purchase(account, date=None)]}, 422)
    assert answer.pointers == ["/transactions/0"]
    assert "date" in answer.body["errors"][0]["detail"]


async def test_every_bad_item_of_a_large_batch_is_named(
    client: RawClient, account: Account
) -> None:
    rows = [purchase(account) for _ in range(4_999)]
    rows[7]["amount"] = "NaN"
    rows[4_000]["date"] = "1999-01-01"
    removed = [{"account_id": "nobody", "transaction_id": "x"}]
    answer = await refused(client, account, {"transactions": rows, "removed": removed}, 422)
    assert answer.pointers == [
        "/transactions/7/amount",
        "/transactions/4000/date",
        "/removed/0/account_id",
    ]


async def test_a_date_outside_names_the_managed_range(client: RawClient, account: Account) -> None:
    body = {"transactions": [purchase(account, date="1999-01-01")]}
    answer = await refused(client, account, body, 422)
    assert "2024-11-01 to " in answer.body["errors"][0]["detail"]


@pytest.mark.parametrize(
    "body", [{}, {"transactions": []}, {"removed": []}, {"transactions": [], "removed": []}]
)
async def test_nothing_to_do_is_refused(client: RawClient, account: Account, body: object) -> None:
    await refused(client, account, body, 422)


async def test_one_item_above_the_limit_is_refused(client: RawClient, account: Account) -> None:
    await refused(client, account, {"transactions": [purchase(account)] * 10_001}, 413)


def _with_key_twice(account: Account) -> bytes:
    text = msgspec.json.encode({"transactions": [purchase(account)]})
    return text.replace(b'"amount":', b'"amount":"-9.99","amount":')


MALFORMED = {
    "empty": b"",
    "no JSON": b"transactions",
    "cut off": b'{"transactions": [',
    "nested too deeply": b'{"transactions": ' + b"[" * 100_000,
    "nested too deeply in metadata": b'{"transactions": [{"metadata": ' + b'{"a":' * 100_000,
    "byte order mark": b"\xef\xbb\xbf{}",
    "lone surrogate": b'{"transactions": [{"description": "\\ud800"}]}',
    "lone surrogate in bytes": b'{"transactions": [{"description": "\xed\xa0\x80"}]}',
    "not UTF-8": b'{"transactions": [{"description": "\xff"}]}',
    "NaN": b'{"transactions": [{"amount": NaN}]}',
    "UTF-16": '{"transactions": []}'.encode("utf-16"),
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
async def test_what_is_not_json_is_malformed(
    client: RawClient, account: Account, body: bytes
) -> None:
    await refused(client, account, body, 400)


async def test_a_key_given_twice_is_malformed(client: RawClient, account: Account) -> None:
    await refused(client, account, _with_key_twice(account), 400)
    spaced = _with_key_twice(account).replace(b'":', b'" :')
    await refused(client, account, spaced, 400)


async def test_a_huge_integer_is_refused(client: RawClient, account: Account) -> None:
    body = msgspec.json.encode({"transactions": [purchase(account, amount="HUGE")]})
    await refused(client, account, body.replace(b'"HUGE"', b"9" * 6_000), 422)


async def test_the_wrong_shape_is_refused(client: RawClient, account: Account) -> None:
    for body in ([], {"transactions": {}}, {"transactions": None}, {"transactions": [[]]}, 7, None):
        await refused(client, account, body, 422)


CODINGS = {
    "garbage": (b"garbage", "gzip", 400),
    "truncated": (gzip.compress(b"{}" * 99)[:-5], "gzip", 400),
    "lying about its end": (gzip.compress(b"{}") + b"more", "gzip", 400),
    "broken checksum": (gzip.compress(b"{}")[:-8] + bytes(8), "gzip", 400),
    "bomb": (gzip.compress(bytes(64 << 20)), "gzip", 413),
    "nested": (gzip.compress(gzip.compress(b"{}")), "gzip, gzip", 415),
    "nested secretly": (gzip.compress(gzip.compress(b"{}")), "gzip", 400),
    "deflate": (zlib.compress(b"{}"), "deflate", 415),
    "unknown": (b"{}", "br", 415),
}


@pytest.mark.parametrize(("body", "coding", "status"), CODINGS.values(), ids=CODINGS.keys())
async def test_a_bad_body_coding_is_refused(
    client: RawClient, account: Account, body: bytes, coding: str, status: int
) -> None:
    await refused(client, account, body, status, **{"Content-Encoding": coding})


async def test_a_body_beyond_16_mib_is_refused(client: RawClient, account: Account) -> None:
    await refused(client, account, b" " * ((16 << 20) + 1), 413)


@pytest.mark.parametrize("kind", ["text/plain", "application/json; charset=utf-16", "text/csv"])
async def test_another_content_type_is_refused(
    client: RawClient, account: Account, kind: str
) -> None:
    await refused(client, account, b"{}", 415, **{"Content-Type": kind})


async def test_a_bad_line_of_ndjson_is_named(client: RawClient, account: Account) -> None:
    lines = [purchase(account), purchase(account, amount="NaN"), purchase(account) | {"x": 1}]
    kind = {"Content-Type": "application/x-ndjson"}
    body = b"\n".join(map(msgspec.json.encode, lines))
    answer = await refused(client, account, body, 422, **kind)
    assert answer.pointers == ["/transactions/2"]
    answer = await refused(client, account, body.rpartition(b"\n")[0], 422, **kind)
    assert answer.pointers == ["/transactions/1/amount"]
    await refused(client, account, b"{}\nnot json", 400, **kind)


QUERIES = [
    ("transactions", "limit", "0"), ("transactions", "limit", "1001"),
    ("transactions", "limit", "-1"), ("transactions", "limit", "9" * 30),
    ("transactions", "limit", "ten"), ("transactions", "from", "yesterday"),
    ("transactions", "to", "2026-02-30"), ("transactions", "category", "NO_SUCH"),
    ("transactions", "category", "'; DROP TABLE users; --"), ("transactions", "cursor", "x"),
    ("transactions", "cursor", ""), ("transactions", "cursor", "é"),
    ("transactions", "account_id", "x"), ("transactions", "min_amount", "NaN"),
    ("transactions", "needs_review", "maybe"), ("transactions", "limt", "5"),
    ("transactions/sync", "cursor", "x"), ("transactions/sync", "limit", "0"),
    ("insights/spending", "month", "2026-13"), ("insights/spending", "month", "0000-01"),
    ("insights/spending", "from", "2026-01-01"), ("insights/spending", "month", "2026-1"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "name", "value"), QUERIES)
async def test_a_bad_query_is_refused(
    client: RawClient, account: Account, path: str, name: str, value: str
) -> None:
    answer = await client.get(f"/v1/users/{account['user_id']}/{path}", **{name: value})
    assert answer.status == 422, answer
    assert answer.body["errors"]


async def test_the_greatest_month_is_no_defect(client: RawClient, account: Account) -> None:
    user = f"/v1/users/{account['user_id']}"
    for query in ({"month": "9999-12"}, {"from": "0001-01-01", "to": "9999-12-31"}):
        answer = await client.get(f"{user}/insights/spending", **query)
        assert answer.status in {200, 422}, answer


async def test_a_cursor_of_another_user_or_kind_or_altered_is_refused(
    client: RawClient, account: Account
) -> None:
    # Given
    other = await client.new_account("other")
    await client.push(*(purchase(account) for _ in range(3)))
    path = f"/v1/users/{account['user_id']}/transactions"
    feed = (await client.get(path, limit=1)).body["next_cursor"]
    sync = (await client.get(f"{path}/sync", limit=1)).body["next_cursor"]
    # When
    tries = [
        await client.get(f"/v1/users/{other['user_id']}/transactions", cursor=feed),
        await client.get(path, cursor=sync),
        await client.get(f"{path}/sync", cursor=feed),
        await client.get(path, cursor=feed[:-2] + ("AA" if feed[-2:] != "AA" else "BB")),
    ]
    # Then
    assert [answer.status for answer in tries] == [422] * 4
