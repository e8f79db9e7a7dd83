"""Transactions read out: the feed by pages, what changed since a cursor, and a single one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Final, TypeVar
from uuid import UUID

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from api.dependencies import Services, known, path_uuid, read_query, services, user_in_path
from api.http.problems import Fault, Invalid
from api.http.versioned import versioned
from api.resources.rendering import feed_item, removed_item
from api.wire import FeedItem, RemovedItem
from pipeline.reads.feed import FeedFilter, FeedPlace, read_feed_page
from pipeline.reads.recent import FIRST_DAY, LAST_DAY
from pipeline.reads.sync import SyncCursor, create_empty_page, read_sync_page
from pipeline.reads.transaction import read_transaction
from pipeline.transactions.money import minor_units

T = TypeVar("T")
Limit = Annotated[int, Meta(ge=1, le=1000)]
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
    limit: Limit = 100
    cursor: str | None = None


class SyncQuery(Struct, frozen=True, forbid_unknown_fields=True):
    cursor: str | None = None
    limit: Limit = 100


class FeedPage(Struct):
    transactions: list[FeedItem]
    next_cursor: str | None
    position: int


class SyncPage(Struct):
    added: list[FeedItem]
    modified: list[FeedItem]
    removed: list[RemovedItem]
    next_cursor: str
    has_more: bool
    position: int
    reset: Annotated[
        bool, Meta(description="forget what you have: this is the feed from its beginning")
    ]


class Explanation(Struct):
    """What decided the category.

    `ngrams` and `alternatives` need the model itself, which is not where requests are answered:
    they are empty.
    """

    decided_by: str
    model_version: int
    confidence: float
    merchant_key: str
    mcc: str | None
    ngrams: list[str] = []
    alternatives: list[str] = []


class ExplainedItem(FeedItem, kw_only=True):
    explanation: Explanation


async def feed(request: web.Request) -> web.Response:
    found, user_id = services(request), user_in_path(request)
    query = read_query(request, FeedQuery)
    chosen = await _filter(found, query)
    after = _feed_cursor(found, user_id, query.cursor)

    async def compute(told: int) -> tuple[int, bytes]:
        page = known(
            await read_feed_page(found.reads, user_id, chosen, query.limit, after, at=told)
        )
        primaries = await found.categories.primaries()
        cursor = None
        if page.more:
            last = page.rows[-1]
            place = (last["booked_on"].toordinal(), str(last["id"]))
            cursor = found.signer.cursor(user_id.bytes, "feed", place)
        items = [feed_item(row, primaries) for row in page.rows]
        return page.position, msgspec.json.encode(FeedPage(items, cursor, page.position))

    return await versioned(request, user_id, query, compute, keep=query.cursor is None)


async def sync(request: web.Request) -> web.Response:
    found, user_id = services(request), user_in_path(request)
    query = read_query(request, SyncQuery)
    cursor = _sync_cursor(found, user_id, query.cursor)

    async def compute(told: int) -> tuple[int, bytes]:
        if cursor == SyncCursor(told, told, told):  # who has read all that readers know of
            page = create_empty_page(cursor)
        else:
            page = known(await read_sync_page(found.reads, user_id, cursor, query.limit, at=told))
        primaries = await found.categories.primaries()
        place = (page.next.position, page.next.base, page.next.seen)
        body = SyncPage(
            added=[feed_item(row, primaries) for row in page.added],
            modified=[feed_item(row, primaries) for row in page.modified],
            removed=[removed_item(row) for row in page.removed],
            next_cursor=found.signer.cursor(user_id.bytes, "sync", place),
            has_more=page.more,
            position=page.position,
            reset=page.reset,
        )
        return page.position, msgspec.json.encode(body)

    return await versioned(request, user_id, query, compute, keep=False)


async def show(request: web.Request) -> web.Response:
    found, user_id = services(request), user_in_path(request)
    transaction = path_uuid(request, "id")

    async def compute(told: int) -> tuple[int, bytes]:
        single = known(await read_transaction(found.reads, user_id, transaction, at=told))
        item = _explained(known(single.row), await found.categories.primaries())
        return single.position, msgspec.json.encode(item)

    return await versioned(request, user_id, transaction, compute, keep=False)


def _explained(row: Mapping[str, Any], primaries: Mapping[str, str]) -> ExplainedItem:
    item = feed_item(row, primaries)
    explanation = Explanation(
        decided_by=row["source"],
        model_version=row["model_version"],
        confidence=item.category.confidence,
        merchant_key=row["merchant_key"],
        mcc=None if row["mcc"] is None else f"{row['mcc']:04}",
    )
    return ExplainedItem(**msgspec.structs.asdict(item), explanation=explanation)


async def _filter(found: Services, query: FeedQuery) -> FeedFilter:
    if query.first > query.last:
        raise Invalid([Fault("/from", "is after `to`")])
    categories = await found.categories.detailed(query.category) if query.category else None
    if categories == ():
        raise Invalid([Fault("/category", "there is no such category")])
    return FeedFilter(
        first=query.first,
        last=query.last,
        categories=categories,
        account_id=query.account_id,
        merchant_key=query.merchant,
        min_amount=_amount("min_amount", query.min_amount),
        max_amount=_amount("max_amount", query.max_amount),
        needs_review=query.needs_review,
    )


def _amount(name: str, text: str | None) -> Decimal | None:
    if text is None:
        return None
    _or_invalid(name, lambda: minor_units(text, _MOST_DECIMALS))
    return Decimal(text)


def _feed_cursor(found: Services, user_id: UUID, text: str | None) -> FeedPlace | None:
    if text is None:
        return None
    ordinal, last_id = _or_invalid(
        "cursor", lambda: found.signer.read_cursor(text, user_id.bytes, "feed")
    )
    return date.fromordinal(int(ordinal)), UUID(str(last_id))


def _sync_cursor(found: Services, user_id: UUID, text: str | None) -> SyncCursor:
    if text is None:
        return SyncCursor()
    values = _or_invalid("cursor", lambda: found.signer.read_cursor(text, user_id.bytes, "sync"))
    return SyncCursor(*map(int, values))


def _or_invalid(name: str, parse: Callable[[], T]) -> T:
    try:
        return parse()
    except ValueError as error:
        raise Invalid([Fault(f"/{name}", str(error))]) from None
