"""What changed in a user's feed since a cursor."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from api.http.answers import answer_versioned
from api.http.problems import require_found
from api.http.requests import parse_parameter, read_query, read_user_id
from api.lookups import CATEGORIES
from api.resources.transactions.rendering import render_item, render_removal
from api.services import READS, SIGNER
from api.wire import FeedItem, PageSize, RemovedItem
from pipeline.reads.sync import SyncChanges, SyncCursor, create_empty_page, read_sync_page
from pipeline.transactions.ticket import Signer


class SyncQuery(Struct, frozen=True, forbid_unknown_fields=True):
    cursor: str | None = None
    limit: PageSize = 100


class SyncPage(Struct):
    added: list[FeedItem]
    modified: list[FeedItem]
    removed: list[RemovedItem]
    next_cursor: str
    has_more: bool
    position: int
    reset: Annotated[
        bool,
        Meta(description="The reader must drop what it holds: this page begins the feed anew."),
    ]


async def show_changes(request: web.Request) -> web.Response:
    app, user_id = request.app, read_user_id(request)
    query = read_query(request, SyncQuery)
    cursor = _read_cursor(app[SIGNER], user_id, query.cursor)

    async def compute(position: int) -> tuple[int, bytes]:
        if cursor == SyncCursor(position, position, position):  # the reader has everything
            page = create_empty_page(cursor)
        else:
            page = require_found(
                await read_sync_page(app[READS], user_id, cursor, query.limit, at=position)
            )
        next_cursor = _write_cursor(app[SIGNER], user_id, page.next)
        body = _render_page(page, next_cursor, await app[CATEGORIES].map_primaries())
        return page.position, msgspec.json.encode(body)

    return await answer_versioned(request, user_id, query, compute, keep=False)


def _render_page(page: SyncChanges, next_cursor: str, primaries: dict[str, str]) -> SyncPage:
    return SyncPage(
        added=[render_item(row, primaries) for row in page.added],
        modified=[render_item(row, primaries) for row in page.modified],
        removed=[render_removal(row) for row in page.removed],
        next_cursor=next_cursor,
        has_more=page.more,
        position=page.position,
        reset=page.reset,
    )


def _read_cursor(signer: Signer, user_id: UUID, text: str | None) -> SyncCursor:
    if text is None:
        return SyncCursor()
    values = parse_parameter(
        "cursor", text, lambda cursor: signer.read_cursor(cursor, user_id.bytes, "sync")
    )
    return SyncCursor(*map(int, values))


def _write_cursor(signer: Signer, user_id: UUID, cursor: SyncCursor) -> str:
    return signer.make_cursor(user_id.bytes, "sync", (cursor.position, cursor.base, cursor.seen))
