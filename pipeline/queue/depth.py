"""The depth of each queue, which the broker answers every few seconds on its own connection."""

from __future__ import annotations

import asyncio

from aio_pika.abc import AbstractChannel

from pipeline.observe.metrics import set_queue_depths
from pipeline.queue.connection import open_connection
from pipeline.queue.topology import Queues
from pipeline.supervise import keep_running

_EVERY = 5.0  # seconds
_ANSWER_SECONDS = 5.0


async def watch_queues(url: str, queues: Queues) -> None:
    """Measure all queues until cancelled; while the broker is away no depth is reported."""
    await keep_running("the measure of the queues", lambda: _measure_queues(url, queues))


async def _measure_queues(url: str, queues: Queues) -> None:
    try:
        async with open_connection(url, _ANSWER_SECONDS) as connection:
            channel = await connection.channel()
            while True:
                async with asyncio.timeout(_ANSWER_SECONDS):
                    set_queue_depths(
                        {
                            name.removeprefix(f"{queues.prefix}."): await _count_ready(
                                channel, name
                            )
                            for name in queues.all
                        }
                    )
                await asyncio.sleep(_EVERY)
    finally:
        set_queue_depths({})


async def _count_ready(channel: AbstractChannel, name: str) -> int:
    queue = await channel.declare_queue(name, passive=True)
    return queue.declaration_result.message_count or 0
