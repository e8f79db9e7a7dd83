"""What the money went on: sums of the feed over a range of dates."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any
from uuid import UUID

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from api.dependencies import known, read_query, services, user_in_path
from api.http.problems import Fault, Invalid
from api.http.versioned import versioned
from pipeline.reads.spending import SpendingSums, read_spending
from pipeline.transactions.money import decimal_text

Decimal = Annotated[str, Meta(description="decimal; in sums of a feed negative = money out")]


class SpendingQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """A month, or both dates (inclusive); the current month when nothing is given."""

    month: Annotated[str, Meta(pattern=r"^\d{4}-(0[1-9]|1[0-2])$")] | None = None
    first: date | None = msgspec.field(name="from", default=None)
    last: date | None = msgspec.field(name="to", default=None)


class Period(Struct, frozen=True):
    first: date = msgspec.field(name="from")
    last: date = msgspec.field(name="to")


class Total(Struct):
    """Spending is money out less refunds; transfers, loans and card payments are no spending."""

    income: Decimal
    spending: Decimal
    money_in: Decimal
    money_out: Decimal
    transfers: Decimal
    count: int


class ByCategory(Struct):
    """`amount` is the sum of the feed with this category filter."""

    category: str
    primary: str
    currency: str
    amount: Decimal
    count: int


class ByMerchant(Struct):
    merchant: str
    merchant_key: str
    currency: str
    amount: Decimal
    count: int


class ByAccount(Struct):
    account_id: UUID
    currency: str
    amount: Decimal
    count: int


class ByDay(Struct):
    date: date
    currency: str
    amount: Decimal
    income: Decimal
    spending: Decimal
    count: int


class SpendingInsight(Struct):
    position: int
    period: Period
    currency_totals: dict[str, Total]
    by_category: list[ByCategory]
    by_merchant: list[ByMerchant]
    by_account: list[ByAccount]
    by_day: list[ByDay]


async def spending(request: web.Request) -> web.Response:
    found, user_id = services(request), user_in_path(request)
    period = _period(read_query(request, SpendingQuery), found.clock.now().date())

    async def compute(told: int) -> tuple[int, bytes]:
        first, last = period.first, period.last
        sums = known(await read_spending(found.reads, user_id, first, last, at=told))
        insight = _insight(sums, period, await found.categories.primaries())
        return sums.position, msgspec.json.encode(insight)

    return await versioned(request, user_id, period, compute)


def _period(query: SpendingQuery, today: date) -> Period:
    if query.first is not None and query.last is not None and query.month is None:
        if query.first > query.last:
            raise Invalid([Fault("/from", "is after `to`")])
        return Period(query.first, query.last)
    if query.first is not None or query.last is not None:
        raise Invalid([Fault("", "give either `month`, or both `from` and `to`")])
    month = _first_day(query.month) if query.month else today.replace(day=1)
    return Period(month, month.replace(day=monthrange(month.year, month.month)[1]))


def _first_day(month: str) -> date:
    try:
        return date.fromisoformat(f"{month}-01")
    except ValueError:
        raise Invalid([Fault("/month", "is not a month")]) from None


def _insight(sums: SpendingSums, period: Period, primaries: Mapping[str, str]) -> SpendingInsight:
    groups = {name: sorted(rows, key=_largest_first) for name, rows in sums.groups.items()}
    return SpendingInsight(
        position=sums.position,
        period=period,
        currency_totals={row["currency"]: _total(row) for row in groups["currency"]},
        by_category=[
            ByCategory(row["category"], primaries.get(row["category"], row["category"]), *_sum(row))
            for row in groups["category"]
        ],
        by_merchant=[
            ByMerchant(row["merchant"], row["merchant_key"], *_sum(row))
            for row in groups["merchant"]
        ],
        by_account=[ByAccount(row["account_id"], *_sum(row)) for row in groups["account"]],
        by_day=[_day(row) for row in sorted(groups["day"], key=_day_order)],
    )


def _total(row: Mapping[str, Any]) -> Total:
    return Total(
        income=_decimal(row, "income"),
        spending=_decimal(row, "spending"),
        money_in=_decimal(row, "money_in"),
        money_out=_decimal(row, "money_out"),
        transfers=_decimal(row, "transfers"),
        count=row["count"],
    )


def _day(row: Mapping[str, Any]) -> ByDay:
    return ByDay(
        row["booked_on"],
        row["currency"],
        _decimal(row, "amount"),
        _decimal(row, "income"),
        _decimal(row, "spending"),
        row["count"],
    )


def _sum(row: Mapping[str, Any]) -> tuple[str, str, int]:
    return row["currency"], _decimal(row, "amount"), row["count"]


def _decimal(row: Mapping[str, Any], name: str) -> str:
    return decimal_text(row[name], row["currency"])


def _largest_first(row: Mapping[str, Any]) -> tuple[int, str, str]:
    return -abs(row["amount"]), row["currency"], str(row["category"] or row["merchant_key"])


def _day_order(row: Mapping[str, Any]) -> tuple[date, str]:
    return row["booked_on"], row["currency"]
