"""Chunks to the broker, each confirmed: `publish` returns only when RabbitMQ has taken it over.

One plain connection with a small supervisor, which never consumes. Between chunks the supervisor
asks the broker, with a message to nowhere, whether it would still take one: only so does an alarm
show before a caller meets it.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncGenerator, Iterator
from typing import Final
from uuid import UUID

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection
from aiormq.exceptions import (
    AMQPError,
    ChannelInvalidStateError,
    DeliveryError,
    PublishError,
)
from yarl import URL

from pipeline.database.clock import Clock
from pipeline.errors import BrokerUnavailable, MessageTooLarge
from pipeline.observe import metrics as telemetry
from pipeline.transactions.chunk import Chunk
from pipeline.transactions.envelope import MAX_BYTES, encode_envelope

_HEARTBEAT_SECONDS: Final = 10
_PROBE_SECONDS: Final = 2.0
_MAX_PAUSE: Final = 5.0
_NO_CONFIRM: Final = "RabbitMQ: no confirm in time: it is frozen, or has a memory or disk alarm"
# uvloop answers a write to a connection that was just reset with a RuntimeError.
_BROKEN: Final = (AMQPError, ChannelInvalidStateError, OSError, TimeoutError, RuntimeError)


@contextlib.contextmanager
def _cancelled_by_the_caller_only() -> Iterator[None]:
    """A dying connection cancels the waits on it; for those who wait it is a ConnectionError."""
    try:
        yield
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise ConnectionError from None


class Publisher:
    """Publishes to one queue that must exist. `trouble` says why it cannot; None: it can."""

    def __init__(self, url: str, queue: str, clock: Clock, confirm_seconds: float) -> None:
        self._url = URL(url).update_query(heartbeat=_HEARTBEAT_SECONDS)
        self._queue = queue
        self._clock = clock
        self._confirm_seconds = confirm_seconds
        self._channel: AbstractChannel | None = None
        self._supervisor: asyncio.Task[None] | None = None
        self.trouble: str | None = "not connected yet"
        telemetry.BROKER_USABLE.labels("publisher").set_function(lambda: self.trouble is None)

    async def start(self) -> None:
        """Begin to connect; returns when connected, or after the deadline with `trouble` set."""
        connected = asyncio.Event()
        self._supervisor = asyncio.create_task(self._supervise(connected))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._confirm_seconds):
                await connected.wait()

    async def stop(self) -> None:
        """Close the connection; publish nothing any more."""
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
                await self._send(body, self._queue, str(UUID(bytes=chunk.chunk_id)))
        except TimeoutError:
            self.trouble = _NO_CONFIRM
            raise BrokerUnavailable(_NO_CONFIRM) from None
        except PublishError:
            raise BrokerUnavailable(f"RabbitMQ: there is no queue {self._queue}") from None
        except DeliveryError:
            raise BrokerUnavailable("RabbitMQ: refused, the queue is full") from None
        except _BROKEN as error:
            self.trouble = f"RabbitMQ: {type(error).__name__}"
            raise BrokerUnavailable(self.trouble) from error

    async def _send(self, body: bytes, routing_key: str, message_id: str | None) -> None:
        if self._channel is None:
            raise ConnectionError
        message = aio_pika.Message(
            body, message_id=message_id, delivery_mode=aio_pika.DeliveryMode.PERSISTENT
        )
        with _cancelled_by_the_caller_only():
            async with asyncio.timeout(self._confirm_seconds):
                await self._channel.default_exchange.publish(message, routing_key)

    async def _supervise(self, connected: asyncio.Event) -> None:
        pause = 0.1
        while True:
            try:
                with _cancelled_by_the_caller_only():
                    async with self._connection() as connection:
                        pause = 0.1
                        connected.set()
                        await self._watch(connection)
                        self.trouble = "RabbitMQ: the connection was lost"
            except Exception as error:  # noqa: BLE001 - whatever broke, connect again
                self.trouble = f"RabbitMQ: {type(error).__name__}"
            await asyncio.sleep(random.uniform(pause / 2, pause))  # noqa: S311 - spreads load
            pause = min(2 * pause, _MAX_PAUSE)

    @contextlib.asynccontextmanager
    async def _connection(self) -> AsyncGenerator[AbstractConnection]:
        connection = await aio_pika.connect(self._url, timeout=self._confirm_seconds)
        try:
            async with asyncio.timeout(self._confirm_seconds):
                channel = await connection.channel(on_return_raises=True)
                await channel.declare_queue(self._queue, passive=True)
            self._channel, self.trouble = channel, None
            yield connection
        finally:
            self._channel = None
            with contextlib.suppress(*_BROKEN):
                async with asyncio.timeout(1):
                    await connection.close()

    async def _watch(self, connection: AbstractConnection) -> None:
        """Until the connection is closed, ask the broker now and then whether it is well."""
        closed = asyncio.ensure_future(connection.closed())
        try:
            while not closed.done():
                await asyncio.wait([closed], timeout=_PROBE_SECONDS)
                if not closed.done():
                    await self._probe()
        finally:
            closed.cancel()

    async def _probe(self) -> None:
        """A message to nowhere must come back; in an alarm it does not."""
        try:
            await self._send(b"", f"{self._queue}.nowhere", None)
        except PublishError:
            self.trouble = None
        except TimeoutError:
            self.trouble = _NO_CONFIRM
