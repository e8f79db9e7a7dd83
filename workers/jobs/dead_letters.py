"""Moves dead letters from their queue to the database, where ingests read why they failed.

The queue is polled: a lost connection then loses no subscription.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any, Protocol

from aio_pika.abc import AbstractIncomingMessage, AbstractQueue

from pipeline.errors import InvalidMessage, Transient
from pipeline.observe import metrics as telemetry
from pipeline.queue.connection import open_connection
from pipeline.queue.consumer import read_envelope
from pipeline.queue.topology import REASON, Queues
from pipeline.supervise import keep_running
from pipeline.transactions.chunk import Chunk
from pipeline.transactions.envelope import decode_envelope

logger = logging.getLogger(__name__)

_PAUSE = 1.0  # seconds between looks at an empty queue
_ANSWER_SECONDS = 10.0
_LONGEST_REASON = 300


class Grave(Protocol):
    """Where letters are kept."""

    async def bury(self, body: bytes, chunk: Chunk | None, reason: str) -> None: ...


async def bury_letters(url: str, queues: Queues, grave: Grave) -> None:
    """Bury every dead letter, until cancelled; what cannot be buried now stays in the queue."""
    await keep_running("storing dead letters", lambda: _bury_from(url, queues, grave))


async def _bury_from(url: str, queues: Queues, grave: Grave) -> None:
    async with open_connection(url, _ANSWER_SECONDS) as connection:
        channel = await connection.channel()
        dead = await channel.get_queue(queues.dead, ensure=False)
        while True:
            letter = await _next(dead)
            if letter is None:
                await asyncio.sleep(_PAUSE)
            else:
                await _bury(letter, queues, grave)


async def _next(dead: AbstractQueue) -> AbstractIncomingMessage | None:
    async with asyncio.timeout(
        _ANSWER_SECONDS
    ):  # the library's own time-out may swallow a cancellation
        return await dead.get(no_ack=False, fail=False)


async def _bury(letter: AbstractIncomingMessage, queues: Queues, grave: Grave) -> None:
    chunk = _chunk(letter.body)
    reason = reason_of(letter.body, letter.headers, queues)
    try:
        await grave.bury(letter.body, chunk, reason)
    except Transient:
        raise
    except Exception as error:  # noqa: BLE001 - its content is at fault: store it as bytes
        logger.warning("dead letter stored as bytes: %s", type(error).__name__)
        await grave.bury(letter.body, None, reason)
    await letter.ack()
    telemetry.DEAD_LETTERS.inc()
    logger.warning("stored a dead letter of %d bytes: %s", len(letter.body), reason)


def reason_of(body: bytes, headers: Mapping[str, Any], queues: Queues) -> str:
    """Why a message is a dead letter: what its worker wrote, else what is wrong with it."""
    reason = headers.get(REASON)
    if isinstance(reason, str):
        return reason[:_LONGEST_REASON].replace("\0", "")
    try:
        read_envelope(body, queues.ingest)
    except InvalidMessage as error:
        return f"InvalidMessage: {error}"
    deaths = headers.get("x-death")
    if isinstance(deaths, list) and deaths and deaths[0].get("reason") == "delivery_limit":
        return "DeliveryLimit: every worker that held it died"
    return "Rejected"


def _chunk(body: bytes) -> Chunk | None:
    try:
        return decode_envelope(body).args[0]
    except InvalidMessage:
        return None
