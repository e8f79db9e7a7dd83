"""The publisher sends chunks to the broker and waits for the confirm of each.

Its one connection never consumes. Between chunks the publisher probes the broker with a message to
no queue, so that it notices an alarm before a caller does.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import Final
from uuid import UUID

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import DeliveryError, PublishError

from pipeline.database.clock import Clock
from pipeline.errors import BrokerUnavailable, MessageTooLarge
from pipeline.observe import metrics as telemetry
from pipeline.queue.connection import LOST, open_connection
from pipeline.supervise import keep_running, raise_lost_connections
from pipeline.transactions.chunk import Chunk
from pipeline.transactions.envelope import MAX_BYTES, encode_envelope

_PROBE_SECONDS: Final = 2.0
_NO_CONFIRM: Final = "RabbitMQ: no confirm in time: it is frozen, or has a memory or disk alarm"


class Publisher:
    """Publishes to one queue that must exist; `trouble` is why it cannot, or None."""

    def __init__(self, url: str, queue: str, clock: Clock, confirm_seconds: float) -> None:
        self._url = url
        self._queue = queue
        self._clock = clock
        self._confirm_seconds = confirm_seconds
        self._channel: AbstractChannel | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self.trouble: str | None = "not connected yet"
        telemetry.BROKER_USABLE.labels("publisher").set_function(lambda: self.trouble is None)

    async def start(self) -> None:
        """Connect in the background; return when connected, or after the deadline with `trouble` set."""
        connected = asyncio.Event()
        self._supervisor = asyncio.create_task(
            keep_running("the publisher's connection", lambda: self._hold_connection(connected))
        )
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._confirm_seconds):
                await connected.wait()

    async def stop(self) -> None:
        """Close the connection, after which nothing can be published."""
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.gather(self._supervisor, return_exceptions=True)

    async def publish(self, chunk: Chunk) -> None:
        """Return when the broker has confirmed the chunk.

        Raises BrokerUnavailable within the deadline; the chunk may arrive nevertheless. Raises
        MessageTooLarge before anything is sent.
        """
        if self.trouble is not None:
            raise BrokerUnavailable(self.trouble)
        now = int(self._clock.now().timestamp() * 1000)
        body = encode_envelope(chunk, self._queue, now)
        if len(body) > MAX_BYTES:
            raise MessageTooLarge(f"{len(body):,} bytes; at most {MAX_BYTES:,}")
        try:
            with telemetry.CONFIRM_SECONDS.time(), telemetry.UNCONFIRMED.count_exceptions():
                await self._send_message(body, self._queue, str(UUID(bytes=chunk.chunk_id)))
        except TimeoutError:
            self.trouble = _NO_CONFIRM
            raise BrokerUnavailable(_NO_CONFIRM) from None
        except PublishError:
            raise BrokerUnavailable(f"RabbitMQ: there is no queue {self._queue}") from None
        except DeliveryError:
            raise BrokerUnavailable("RabbitMQ: refused, the queue is full") from None
        except LOST as error:
            self.trouble = f"RabbitMQ: {type(error).__name__}"
            raise BrokerUnavailable(self.trouble) from error

    async def _send_message(self, body: bytes, routing_key: str, message_id: str | None) -> None:
        if self._channel is None:
            raise ConnectionError
        message = aio_pika.Message(
            body, message_id=message_id, delivery_mode=aio_pika.DeliveryMode.PERSISTENT
        )
        with raise_lost_connections():
            async with asyncio.timeout(self._confirm_seconds):
                await self._channel.default_exchange.publish(message, routing_key)

    async def _hold_connection(self, connected: asyncio.Event) -> None:
        """Hold one connection until it dies. Raises the error that ended it."""
        try:
            with raise_lost_connections():
                async with open_connection(self._url, self._confirm_seconds) as connection:
                    self._channel = await self._open_channel(connection)
                    self.trouble = None
                    connected.set()
                    await self._watch_connection(connection)
        except Exception as error:
            self.trouble = f"RabbitMQ: {type(error).__name__}"
            raise
        finally:
            self._channel = None

    async def _open_channel(self, connection: AbstractConnection) -> AbstractChannel:
        """A channel with publisher confirms. Raises AMQPError when the queue does not exist."""
        async with asyncio.timeout(self._confirm_seconds):
            channel = await connection.channel(on_return_raises=True)
            await channel.declare_queue(self._queue, passive=True)
        return channel

    async def _watch_connection(self, connection: AbstractConnection) -> None:
        """Probe the broker now and then. Raises ConnectionResetError when the connection is closed."""
        closed = asyncio.ensure_future(connection.closed())
        try:
            while not closed.done():
                await asyncio.wait([closed], timeout=_PROBE_SECONDS)
                if not closed.done():
                    await self._probe_broker()
        finally:
            closed.cancel()
        raise ConnectionResetError

    async def _probe_broker(self) -> None:
        """Send a message to no queue: a healthy broker returns it, and one with an alarm does not."""
        try:
            await self._send_message(b"", f"{self._queue}.nowhere", None)
        except PublishError:
            self.trouble = None
        except TimeoutError:
            self.trouble = _NO_CONFIRM
