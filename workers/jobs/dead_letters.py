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

_PAUSE_SECONDS = 1.0  # seconds between looks at an empty queue
_ANSWER_SECONDS = 10.0
_MAX_REASON_LENGTH = 300


class DeadLetterStore(Protocol):
    """Where dead letters are stored."""

    async def keep_dead_letter(self, body: bytes, chunk: Chunk | None, reason: str) -> None: ...


async def store_dead_letters(url: str, queues: Queues, store: DeadLetterStore) -> None:
    """Store every dead letter until cancelled; one that cannot be stored now stays in the queue."""
    await keep_running("storing dead letters", lambda: _store_from_queue(url, queues, store))


async def _store_from_queue(url: str, queues: Queues, store: DeadLetterStore) -> None:
    async with open_connection(url, _ANSWER_SECONDS) as connection:
        channel = await connection.channel()
        queue = await channel.get_queue(queues.dead, ensure=False)
        while True:
            dead_letter = await _get_dead_letter(queue)
            if dead_letter is None:
                await asyncio.sleep(_PAUSE_SECONDS)
            else:
                await _store_dead_letter(dead_letter, queues, store)


async def _get_dead_letter(queue: AbstractQueue) -> AbstractIncomingMessage | None:
    async with asyncio.timeout(
        _ANSWER_SECONDS
    ):  # the library's own time-out may swallow a cancellation
        return await queue.get(no_ack=False, fail=False)


async def _store_dead_letter(
    dead_letter: AbstractIncomingMessage, queues: Queues, store: DeadLetterStore
) -> None:
    chunk = _decode_chunk(dead_letter.body)
    reason = read_reason(dead_letter.body, dead_letter.headers, queues)
    try:
        await store.keep_dead_letter(dead_letter.body, chunk, reason)
    except Transient:
        raise
    except Exception as error:  # noqa: BLE001 - its content is at fault: store it as bytes
        logger.warning("dead letter stored as bytes: %s", type(error).__name__)
        await store.keep_dead_letter(dead_letter.body, None, reason)
    await dead_letter.ack()
    telemetry.DEAD_LETTERS.inc()
    logger.warning("stored a dead letter of %d bytes: %s", len(dead_letter.body), reason)


def read_reason(body: bytes, headers: Mapping[str, Any], queues: Queues) -> str:
    """Why a message is a dead letter: what its worker wrote, else what is wrong with it."""
    reason = headers.get(REASON)
    if isinstance(reason, str):
        return reason[:_MAX_REASON_LENGTH].replace("\0", "")
    try:
        read_envelope(body, queues.ingest)
    except InvalidMessage as error:
        return f"InvalidMessage: {error}"
    deaths = headers.get("x-death")
    if isinstance(deaths, list) and deaths and deaths[0].get("reason") == "delivery_limit":
        return "DeliveryLimit: every worker that held it died"
    return "Rejected"


def _decode_chunk(body: bytes) -> Chunk | None:
    try:
        return decode_envelope(body).args[0]
    except InvalidMessage:
        return None
