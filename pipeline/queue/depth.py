"""How many messages wait in each queue, asked of the broker now and then.

It has a connection of its own: a publisher's must not wait for answers, a consumer's not for us.
"""

from __future__ import annotations

import asyncio
import logging

import aio_pika
from aio_pika.abc import AbstractChannel

from pipeline.observe.metrics import queues_measured
from pipeline.queue.topology import HEARTBEAT_SECONDS, Queues

logger = logging.getLogger(__name__)

_EVERY = 5.0  # seconds
_ANSWER_SECONDS = 5.0


async def watch_queues(url: str, queues: Queues) -> None:
    """Measure all queues until cancelled; while the broker is away nothing is said of them."""
    while True:
        try:
            await _watch(url, queues)
        except Exception as error:  # noqa: BLE001 - whatever it was, the broker is asked again
            logger.debug("queues not measured: %s", type(error).__name__)
        queues_measured({})
        await asyncio.sleep(_EVERY)


async def _watch(url: str, queues: Queues) -> None:
    async with await aio_pika.connect(
        url, timeout=_ANSWER_SECONDS, heartbeat=HEARTBEAT_SECONDS
    ) as connection:
        channel = await connection.channel()
        while True:
            async with asyncio.timeout(_ANSWER_SECONDS):
                queues_measured(
                    {
                        name.removeprefix(f"{queues.prefix}."): await _ready(channel, name)
                        for name in queues.all
                    }
                )
            await asyncio.sleep(_EVERY)


async def _ready(channel: AbstractChannel, name: str) -> int:
    queue = await channel.declare_queue(name, passive=True)
    return queue.declaration_result.message_count or 0
