"""The feed of a user by pages, newest first."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from api.http.answers import answer_versioned
from api.http.problems import Fault, Invalid, require_found
from api.http.requests import parse_parameter, read_query, read_user_id
from api.lookups import CATEGORIES, Categories
from api.resources.transactions.rendering import render_item
from api.services import READS, SIGNER
from api.wire import FeedItem, PageSize
from pipeline.reads.feed import FeedFilter, FeedPlace, read_feed_page
from pipeline.reads.recent import FIRST_DAY, LAST_DAY
from pipeline.transactions.money import parse_amount
from pipeline.transactions.ticket import Signer

_MOST_DECIMALS: Final = "CLF"


class FeedQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """Dates are inclusive; `merchant` is a merchant key."""

    first: date = msgspec.field(name="from", default=FIRST_DAY)
    last: date = msgspec.field(name="to", default=LAST_DAY)
    category: Annotated[str, Meta(description="primary or detailed code")] | None = None
    account_id: UUID | None = None
    merchant: str | None = None
    min_amount: str | None = None
    max_amount: str | None = None
    needs_review: bool | None = None
    limit: PageSize = 100
    cursor: str | None = None


class FeedPage(Struct):
    transactions: list[FeedItem]
    next_cursor: str | None
    position: int


async def show_feed(request: web.Request) -> web.Response:
    app, user_id = request.app, read_user_id(request)
    query = read_query(request, FeedQuery)
    wanted = await _build_filter(app[CATEGORIES], query)
    after = _read_cursor(app[SIGNER], user_id, query.cursor)

    async def compute(position: int) -> tuple[int, bytes]:
        page = require_found(
            await read_feed_page(app[READS], user_id, wanted, query.limit, after, at=position)
        )
        primaries = await app[CATEGORIES].map_primaries()
        cursor = _write_cursor(app[SIGNER], user_id, page.rows[-1]) if page.more else None
        items = [render_item(row, primaries) for row in page.rows]
        return page.position, msgspec.json.encode(FeedPage(items, cursor, page.position))

    return await answer_versioned(request, user_id, query, compute, keep=query.cursor is None)


async def _build_filter(categories: Categories, query: FeedQuery) -> FeedFilter:
    if query.first > query.last:
        raise Invalid([Fault("/from", "is after `to`")])
    codes = await categories.expand_code(query.category) if query.category else None
    if codes == ():
        raise Invalid([Fault("/category", "there is no such category")])
    return FeedFilter(
        first=query.first,
        last=query.last,
        categories=codes,
        account_id=query.account_id,
        merchant_key=query.merchant,
        min_amount=_read_amount("min_amount", query.min_amount),
        max_amount=_read_amount("max_amount", query.max_amount),
        needs_review=query.needs_review,
    )


def _read_amount(name: str, text: str | None) -> Decimal | None:
    if text is None:
        return None
    parse_parameter(name, text, lambda amount: parse_amount(amount, _MOST_DECIMALS))
    return Decimal(text)


def _read_cursor(signer: Signer, user_id: UUID, text: str | None) -> FeedPlace | None:
    if text is None:
        return None
    ordinal, last_id = parse_parameter(
        "cursor", text, lambda cursor: signer.read_cursor(cursor, user_id.bytes, "feed")
    )
    return date.fromordinal(int(ordinal)), UUID(str(last_id))


def _write_cursor(signer: Signer, user_id: UUID, last: Mapping[str, Any]) -> str:
    place = (last["booked_on"].toordinal(), str(last["id"]))
    return signer.make_cursor(user_id.bytes, "feed", place)
