"""Transactions pushed in: read, checked, put on their way, and answered once the broker has them."""

from __future__ import annotations

from datetime import date
from typing import Final

from aiohttp import web
from msgspec import Struct

from api.dependencies import INGEST, REQUEST_ID, answer, caller, services
from api.http.bodies import JSON, NDJSON, demand_type, read_body
from api.ingest.columns import Columns
from api.ingest.parse import read_items
from api.ingest.validate import check_items
from pipeline.observe import metrics as telemetry
from pipeline.observe.logs import Pushed
from pipeline.transactions.ticket import NO_OWNER, Ticket

_INGESTS: Final = "/v1/ingests"


class Accepted(Struct):
    """The broker has the rows; `GET /v1/ingests/{ingest_id}` tells what became of them."""

    ingest_id: str
    accepted: int
    removed: int


async def push(request: web.Request) -> web.Response:
    """Answer 202 only after every row is confirmed by the broker."""
    content_type = demand_type(request, JSON, NDJSON)
    found = services(request)
    with found.intake.room_for(request):
        columns = await _checked(request, await read_body(request), content_type)
    ingest = found.clock.uuid7()
    chunks = await found.coalescer.submit(ingest, columns, request[REQUEST_ID])
    request[INGEST] = Pushed(ingest, chunks, columns.rows, columns.removals)
    telemetry.ingest_accepted(columns.rows, columns.removals)
    ticket = Ticket(ingest, len(chunks), columns.rows, columns.removals, _owner(columns))
    ingest_id = found.signer.ingest_id(ticket)
    return answer(
        Accepted(ingest_id, columns.rows, columns.removals),
        202,
        {"Location": f"{_INGESTS}/{ingest_id}"},
    )


async def _checked(request: web.Request, body: bytes, content_type: str) -> Columns:
    found = services(request)
    items = read_items(body, content_type)
    owners = await found.owners.of(items.accounts, caller(request).user_id)
    days: set[date] = set(items.fields["date"])
    return check_items(items, owners, await found.months.covering(days))


def _owner(columns: Columns) -> bytes:
    """The only user of an ingest; whoever is bound to that one may see its receipt."""
    users = columns.users()
    return users.pop() if len(users) == 1 else NO_OWNER
