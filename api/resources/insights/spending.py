"""What the money went on: sums of the feed over a range of dates."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Annotated, Any
from uuid import UUID

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from api.http.answers import answer_versioned
from api.http.problems import require_found
from api.http.requests import read_user_id
from api.lookups import CATEGORIES
from api.resources.insights.period import Period, read_period
from api.services import READS
from pipeline.reads.spending import SpendingSums, read_spending
from pipeline.transactions.money import format_amount

Decimal = Annotated[str, Meta(description="decimal; in sums of a feed negative = money out")]


class Total(Struct):
    """Spending is money out less refunds; transfers, loans and card payments do not count."""

    income: Decimal
    spending: Decimal
    money_in: Decimal
    money_out: Decimal
    transfers: Decimal
    count: int


class ByCategory(Struct):
    """`amount` is the sum of the transactions of the period with this category."""

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


async def show_spending(request: web.Request) -> web.Response:
    app, user_id = request.app, read_user_id(request)
    period = read_period(request)

    async def compute(position: int) -> tuple[int, bytes]:
        sums = require_found(
            await read_spending(app[READS], user_id, period.first, period.last, at=position)
        )
        insight = _render_insight(sums, period, await app[CATEGORIES].map_primaries())
        return sums.position, msgspec.json.encode(insight)

    return await answer_versioned(request, user_id, period, compute)


def _render_insight(
    sums: SpendingSums, period: Period, primaries: Mapping[str, str]
) -> SpendingInsight:
    groups = {name: sorted(rows, key=_largest_first) for name, rows in sums.groups.items()}
    return SpendingInsight(
        position=sums.position,
        period=period,
        currency_totals={row["currency"]: _render_total(row) for row in groups["currency"]},
        by_category=[
            ByCategory(
                row["category"], primaries.get(row["category"], row["category"]), *_render_sum(row)
            )
            for row in groups["category"]
        ],
        by_merchant=[
            ByMerchant(row["merchant"], row["merchant_key"], *_render_sum(row))
            for row in groups["merchant"]
        ],
        by_account=[ByAccount(row["account_id"], *_render_sum(row)) for row in groups["account"]],
        by_day=[_render_day(row) for row in sorted(groups["day"], key=_day_order)],
    )


def _render_total(row: Mapping[str, Any]) -> Total:
    return Total(
        income=_format_amount(row, "income"),
        spending=_format_amount(row, "spending"),
        money_in=_format_amount(row, "money_in"),
        money_out=_format_amount(row, "money_out"),
        transfers=_format_amount(row, "transfers"),
        count=row["count"],
    )


def _render_day(row: Mapping[str, Any]) -> ByDay:
    return ByDay(
        row["booked_on"],
        row["currency"],
        _format_amount(row, "amount"),
        _format_amount(row, "income"),
        _format_amount(row, "spending"),
        row["count"],
    )


def _render_sum(row: Mapping[str, Any]) -> tuple[str, str, int]:
    return row["currency"], _format_amount(row, "amount"), row["count"]


def _format_amount(row: Mapping[str, Any], name: str) -> str:
    return format_amount(row[name], row["currency"])


def _largest_first(row: Mapping[str, Any]) -> tuple[int, str, str]:
    return -abs(row["amount"]), row["currency"], str(row["category"] or row["merchant_key"])


def _day_order(row: Mapping[str, Any]) -> tuple[date, str]:
    return row["booked_on"], row["currency"]
