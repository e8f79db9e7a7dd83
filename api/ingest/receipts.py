"""Receipts report what became of a push, at once or as soon as it is stored."""

from __future__ import annotations

import time
from typing import Annotated, Final

from aiohttp import web
from msgspec import UNSET, Meta, Struct, UnsetType

from api.http.answers import answer_json
from api.http.problems import NotFound
from api.http.requests import PRINCIPAL, read_query
from api.services import POSITIONS, READS, SIGNER, WAITERS
from pipeline.cache.events import StoredParts
from pipeline.reads.receipts import Receipt, read_receipt
from pipeline.reads.source import ReadSource
from pipeline.transactions.ticket import Ticket

MAX_WAIT_SECONDS: Final = 30
_LOOK_SECONDS: Final = 1.0  # events can be lost; the pause doubles after each look


class ReceiptQuery(Struct, frozen=True, forbid_unknown_fields=True):
    wait: Annotated[float, Meta(ge=0, le=MAX_WAIT_SECONDS, description="seconds")] = 0.0


class IngestStatus(Struct, omit_defaults=True):
    """The counts cover the rows that are stored so far; `discarded` rows belonged to erased users."""

    ingest_id: str
    status: Annotated[str, Meta(description="queued, stored or failed")]
    accepted: int
    added: int
    modified: int
    unchanged: int
    removed: int
    discarded: int
    positions: dict[str, int]
    reason: str | UnsetType = UNSET


async def show_receipt(request: web.Request) -> web.Response:
    ingest_id = request.match_info["ingest_id"]
    app, wait = request.app, read_query(request, ReceiptQuery).wait
    ticket = _read_ticket(request, ingest_id)
    with app[WAITERS].collect_parts(ticket.ingest) as heard:
        receipt = await _wait_for_receipt(app[READS], ticket, heard, wait)
    if not receipt.parts <= heard.parts:
        # A client that reads "stored" must see the rows, even before the event of their commit.
        positions = {user.bytes: position for user, position in receipt.positions.items()}
        await app[POSITIONS].advance_positions(positions, current=False)
    return answer_json(
        IngestStatus(
            ingest_id=ingest_id,
            status=receipt.status,
            accepted=ticket.accepted,
            added=receipt.added,
            modified=receipt.modified,
            unchanged=receipt.unchanged,
            removed=receipt.removed,
            discarded=receipt.discarded,
            positions={str(user): position for user, position in receipt.positions.items()},
            reason=receipt.reason or UNSET,
        )
    )


def _read_ticket(request: web.Request, ingest_id: str) -> Ticket:
    try:
        ticket = request.app[SIGNER].read_ingest_id(ingest_id)
    except ValueError:
        raise NotFound("there is no such ingest") from None
    bound = request[PRINCIPAL].user_id
    if bound is not None and bound.bytes != ticket.owner:
        raise NotFound("there is no such ingest")
    return ticket


async def _wait_for_receipt(
    reads: ReadSource, ticket: Ticket, heard: StoredParts, wait: float
) -> Receipt:
    """Return the receipt once it is no longer queued, or after `wait` seconds."""
    deadline, pause = time.monotonic() + wait, _LOOK_SECONDS
    while True:
        heard_parts = len(heard.parts)  # counted before the read, so that no event is missed
        receipt = await read_receipt(reads, ticket)
        left = min(deadline - time.monotonic(), pause)
        if receipt.status != "queued" or left <= 0:
            return receipt
        await heard.wait_for_more(heard_parts, set(range(ticket.parts)) - receipt.parts, left)
        pause *= 2  # the reads of many waiting clients delay the workers
