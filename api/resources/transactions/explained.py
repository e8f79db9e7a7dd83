"""A single transaction, and what decided its category."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from aiohttp import web
from msgspec import Struct

from api.http.answers import answer_versioned
from api.http.problems import require_found
from api.http.requests import read_path_id, read_user_id
from api.lookups import CATEGORIES
from api.resources.transactions.rendering import render_item
from api.services import READS
from api.wire import FeedItem
from pipeline.reads.transaction import read_transaction


class Explanation(Struct):
    """What decided the category.

    `ngrams` and `alternatives` are always empty, because they need the model, which only the
    workers load.
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


async def show_transaction(request: web.Request) -> web.Response:
    app, user_id = request.app, read_user_id(request)
    transaction_id = read_path_id(request, "id")

    async def compute(position: int) -> tuple[int, bytes]:
        single = require_found(
            await read_transaction(app[READS], user_id, transaction_id, at=position)
        )
        row, primaries = require_found(single.row), await app[CATEGORIES].map_primaries()
        return single.position, msgspec.json.encode(_explain_row(row, primaries))

    return await answer_versioned(request, user_id, transaction_id, compute, keep=False)


def _explain_row(row: Mapping[str, Any], primaries: Mapping[str, str]) -> ExplainedItem:
    item = render_item(row, primaries)
    explanation = Explanation(
        decided_by=row["source"],
        model_version=row["model_version"],
        confidence=item.category.confidence,
        merchant_key=row["merchant_key"],
        mcc=None if row["mcc"] is None else f"{row['mcc']:04}",
    )
    return ExplainedItem(**msgspec.structs.asdict(item), explanation=explanation)
