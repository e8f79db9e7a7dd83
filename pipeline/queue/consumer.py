"""Consumers of the workers; each answers a delivery once, on the connection that delivered it."""

from __future__ import annotations

import logging
from functools import partial
from threading import Event
from typing import Any

import dramatiq
import pika
from dramatiq.broker import Consumer, MessageProxy
from dramatiq.errors import ConnectionClosed

from pipeline.errors import BrokerUnavailable, InvalidMessage
from pipeline.queue.connection import BLOCKING_LOST, connection_parameters
from pipeline.queue.sender import Sender
from pipeline.queue.topology import ATTEMPTS, Queues, declare_queues_on
from pipeline.settings import QueueBound
from pipeline.transactions.chunk import Chunk
from pipeline.transactions.envelope import ACTOR, Envelope, decode_envelope, encode_envelope
from pipeline.transactions.split import halve_chunk

logger = logging.getLogger(__name__)


def read_envelope(body: bytes, queue: str) -> Envelope[Chunk]:
    """Read the message of `queue` in `body`. Raises InvalidMessage when it is not for our actor."""
    envelope = decode_envelope(body)
    if envelope.queue_name != queue:
        raise InvalidMessage("addressed to another queue")
    if envelope.actor_name != ACTOR or envelope.kwargs:
        raise InvalidMessage("addressed to an unknown actor")
    return envelope


class Delivery(MessageProxy):
    """A message as one consumer received it.

    It may be acknowledged when it is `settled`: processed, or confirmed by another queue.
    """

    def __init__(
        self, owner: RabbitConsumer, tag: int, attempts: int, body: bytes, message: Any
    ) -> None:
        super().__init__(message)
        self.owner = owner
        self.tag = tag
        self.attempts = attempts
        self.body = body
        self.settled = False


class RabbitConsumer(Consumer):
    """Consumes one queue on one connection; `ack` and `nack` may come from any thread."""

    def __init__(
        self,
        url: str,
        queues: Queues,
        sender: Sender,
        *,
        queue: str,
        bound: QueueBound,
        prefetch: int,
        timeout: int,
    ) -> None:
        self._queues = queues
        self._sender = sender
        self._queue = queue
        self._connection = pika.BlockingConnection(connection_parameters(url))
        try:
            self._channel = self._connection.channel()
            declare_queues_on(self._channel, queues, bound)
            self._channel.basic_qos(prefetch_count=prefetch)
            self._deliveries = self._channel.consume(queue, inactivity_timeout=timeout / 1000)
        except BaseException:
            self._close_connection()
            raise

    def __next__(self) -> Delivery | None:
        try:
            method, properties, body = next(self._deliveries)
        except (*BLOCKING_LOST, StopIteration) as error:
            raise ConnectionClosed(error) from None  # type: ignore[no-untyped-call]
        if method is None:
            return None
        headers = properties.headers or {}
        return self._make_delivery(method.delivery_tag, headers, body)

    @property
    def is_open(self) -> bool:
        """Whether an answer can still reach the broker."""
        return bool(self._connection.is_open)

    def ack(self, message: MessageProxy) -> None:
        """Acknowledge a settled delivery; return another one to its queue."""
        delivery = self._match_delivery(message)
        if delivery is None:
            return
        if delivery.settled:
            self._answer_broker(partial(self._channel.basic_ack, delivery.tag))
        else:
            self._answer_broker(partial(self._channel.basic_nack, delivery.tag, requeue=True))

    def nack(self, message: MessageProxy) -> None:
        """Refuse the message: RabbitMQ moves it to the quarantine, and later to the dead letters."""
        delivery = self._match_delivery(message)
        if delivery is not None:
            self._answer_broker(partial(self._channel.basic_nack, delivery.tag, requeue=False))

    def close(self) -> None:
        """Stop deliveries, send waiting answers, then close; what is unanswered returns to the queue.

        pika itself returns deliveries before it cancels, and the queue may deliver them at once
        again. A second return would send a chunk to quarantine, as if it had killed a worker.
        """
        answered = Event()
        try:
            for tag in self._channel.consumer_tags:
                self._channel.basic_cancel(tag)
            self._connection.add_callback_threadsafe(answered.set)
            while not answered.is_set():  # callbacks run in the order of their addition
                self._connection.process_data_events(time_limit=0.05)
        except BLOCKING_LOST:
            logger.debug("connection lost before it was closed")
        self._close_connection()

    def _make_delivery(self, tag: int, headers: dict[str, Any], body: bytes) -> Delivery | None:
        if self._has_killed(headers) and self._halve_suspect(tag, body):
            return None
        try:
            envelope = read_envelope(body, self._queues.ingest)
        except InvalidMessage as error:
            logger.warning("unreadable message to the dead letters: %s", error)
            self._channel.basic_nack(tag, requeue=False)
            return None
        message = dramatiq.Message[None](
            queue_name=self._queue,  # dramatiq finds the consumer by this name
            actor_name=envelope.actor_name,
            args=envelope.args,
            kwargs={},
            options={},
            message_id=envelope.message_id,
            message_timestamp=envelope.message_timestamp,
        )
        return Delivery(self, tag, _read_count(headers, ATTEMPTS), body, message)

    def _has_killed(self, headers: dict[str, Any]) -> bool:
        """Whether a worker died while it processed this message alone."""
        alone = self._queue == self._queues.suspects
        return alone and _read_count(headers, "x-delivery-count") > 0

    def _halve_suspect(self, tag: int, body: bytes) -> bool:
        """Replace a chunk in quarantine by its halves; False when it must be tried whole."""
        try:
            envelope = read_envelope(body, self._queues.ingest)
            (chunk,) = envelope.args
            if len(chunk) < 2:
                return False
            for half in halve_chunk(chunk):
                said = encode_envelope(half, envelope.queue_name, envelope.message_timestamp)
                self._sender.send(self._queues.suspects, said, {})
        except (InvalidMessage, BrokerUnavailable):
            return False
        self._channel.basic_ack(tag)
        return True

    def _match_delivery(self, message: MessageProxy) -> Delivery | None:
        if isinstance(message, Delivery) and message.owner is self:
            return message
        logger.info("message %s was delivered on a lost connection", message.message_id)
        return None

    def _answer_broker(self, answer: Any) -> None:
        try:
            self._connection.add_callback_threadsafe(answer)
        except BLOCKING_LOST:
            logger.info("connection lost before the answer: the message will come again")

    def _close_connection(self) -> None:
        try:
            self._connection.close()
        except BLOCKING_LOST:
            logger.debug("connection was closed already")


def _read_count(headers: dict[str, Any], name: str) -> int:
    value = headers.get(name, 0)
    return value if isinstance(value, int) else 0
