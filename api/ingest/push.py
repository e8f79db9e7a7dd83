"""A push of transactions: it is read, checked, published, and answered once the broker has it."""

from __future__ import annotations

from datetime import date
from typing import Final

from aiohttp import web
from msgspec import Struct

from api.http.answers import answer_json
from api.http.bodies import INTAKE, JSON, NDJSON, read_body, require_content_type
from api.http.requests import PRINCIPAL, PUSHED, REQUEST_ID
from api.ingest.coalesce import COALESCER
from api.ingest.columns import PushedColumns
from api.ingest.parse import read_items
from api.ingest.validate import check_items
from api.lookups import MONTHS, OWNERS
from api.services import CLOCK, SIGNER
from pipeline.observe import metrics as telemetry
from pipeline.observe.logs import Pushed
from pipeline.transactions.ticket import NO_OWNER, Ticket

_INGESTS: Final = "/v1/ingests"


class Accepted(Struct):
    """The broker has the rows; `GET /v1/ingests/{ingest_id}` reports what became of them."""

    ingest_id: str
    accepted: int
    removed: int


async def push_transactions(request: web.Request) -> web.Response:
    """Answer 202 after the broker has confirmed every row."""
    content_type = require_content_type(request, JSON, NDJSON)
    app = request.app
    with app[INTAKE].reserve_room(request):
        columns = await _check_body(request, await read_body(request), content_type)
    ingest = app[CLOCK].make_uuid7()
    chunks = await app[COALESCER].submit_rows(ingest, columns, request[REQUEST_ID])
    request[PUSHED] = Pushed(ingest, chunks, columns.rows, columns.removals)
    telemetry.count_ingest(columns.rows, columns.removals)
    ticket = Ticket(ingest, len(chunks), columns.rows, columns.removals, _find_only_user(columns))
    ingest_id = app[SIGNER].make_ingest_id(ticket)
    return answer_json(
        Accepted(ingest_id, columns.rows, columns.removals),
        202,
        {"Location": f"{_INGESTS}/{ingest_id}"},
    )


async def _check_body(request: web.Request, body: bytes, content_type: str) -> PushedColumns:
    app = request.app
    items = read_items(body, content_type)
    owners = await app[OWNERS].find_owners(items.accounts, request[PRINCIPAL].user_id)
    days: set[date] = set(items.fields["date"])
    return check_items(items, owners, await app[MONTHS].find_range(days))


def _find_only_user(columns: PushedColumns) -> bytes:
    """Return the only user of an ingest, whose tokens may see its receipt, or NO_OWNER."""
    users = columns.list_users()
    return users.pop() if len(users) == 1 else NO_OWNER
