"""The dramatiq broker of the workers: no message is lost, and none is acknowledged by mistake.

It differs from the one that comes with dramatiq in what happens around failures:

- a delivery is answered only on the connection that delivered it, and acknowledged only once
  its outcome is settled: processed, or handed on to another queue with the broker's confirm;
- a failure waits for its next attempt in a queue with a time to live, not in this process;
- an envelope is checked before dramatiq sees it; what cannot be read goes to the dead letters;
- a suspect, a chunk that was in flight whenever a worker died, is tried alone, and the one that
  ends its worker is halved, so that only the row at fault reaches the delivery limit.
"""

from __future__ import annotations

import logging
import random
import time
from functools import partial
from threading import Event
from typing import Any

import dramatiq
import pika
from dramatiq.broker import Broker, Consumer, MessageProxy
from dramatiq.errors import ConnectionClosed
from dramatiq.middleware import Middleware
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError

from pipeline.errors import BrokerUnavailable, InvalidMessage, Permanent, SpendlineError, Transient
from pipeline.observe import metrics as telemetry
from pipeline.queue.topology import ATTEMPTS, REASON, RETRY_SECONDS, Queues, declare_on, parameters
from pipeline.settings import QueueBound
from pipeline.transactions.chunk import Chunk
from pipeline.transactions.envelope import ACTOR, Envelope, decode_envelope, encode_envelope
from pipeline.transactions.split import halves

logger = logging.getLogger(__name__)

_RECONNECT_JITTER = 2.0  # seconds, beside dramatiq's own 3
_PERSISTENT = 2
_BROKEN = (AMQPError, AssertionError, OSError)  # pika asserts when a channel dies under it


def read_envelope(body: bytes, queue: str) -> Envelope[Chunk]:
    """The message of `queue` in `body`; InvalidMessage when it is not ours to process."""
    envelope = decode_envelope(body)
    if envelope.queue_name != queue:
        raise InvalidMessage("addressed to another queue")
    if envelope.actor_name != ACTOR or envelope.kwargs:
        raise InvalidMessage("addressed to an unknown actor")
    return envelope


class Delivery(MessageProxy):
    """A message as one consumer received it.

    `settled` says that its outcome is safe elsewhere, so that it may be acknowledged.
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


class RabbitBroker(Broker):
    """Consumes the ingest queue and the suspects of one system."""

    def __init__(
        self,
        url: str,
        queues: Queues,
        *,
        bound: QueueBound,
        prefetch: int,
        retry_pause: float = 1.0,
    ) -> None:
        super().__init__(middleware=[Outcome(queues, retry_pause)])
        self.names = queues
        self.parameters = parameters(url)
        self._bound = bound
        self._prefetch = {queues.ingest: prefetch, queues.suspects: 1}
        self.stopping = Event()

    def declare_queue(self, queue_name: str) -> None:
        """Consume `queue_name`; the ingest queue is consumed together with its suspects."""
        if queue_name != self.names.ingest:
            raise ValueError(f"actors listen on {self.names.ingest}, not on {queue_name}")
        for name in (self.names.ingest, self.names.suspects):
            if name not in self.queues:
                self.queues[name] = None
                self.emit_after("declare_queue", name)

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 1000) -> Consumer:  # noqa: ARG002 - dramatiq's signature
        """A consumer on a connection of its own; the prefetch is the broker's, not the caller's.

        Raises ConnectionClosed, after a pause that spreads the reconnects of many workers.
        """
        try:
            return RabbitConsumer(self, queue_name, self._prefetch[queue_name], timeout)
        except _BROKEN as error:
            time.sleep(random.uniform(0, _RECONNECT_JITTER))  # noqa: S311 - spreads load
            raise ConnectionClosed(error) from None  # type: ignore[no-untyped-call]

    def declare_on(self, channel: BlockingChannel) -> None:
        declare_on(channel, self.names, self._bound)

    def enqueue(self, message: dramatiq.Message[Any], *, delay: int | None = None) -> Any:
        """Publish one chunk, confirmed; for waits there are the retry queues."""
        if delay is not None:
            raise ValueError("a delay is a step of the retry ladder")
        chunk: Chunk = message.args[0]
        body = encode_envelope(chunk, message.queue_name, message.message_timestamp)
        self.hand_on(message.queue_name, body, {})
        return message

    def bury(self, chunk: Chunk, error: SpendlineError) -> None:
        """Put a chunk among the dead letters, confirmed, with the reason."""
        body = encode_envelope(chunk, self.names.ingest, int(time.time() * 1000))
        telemetry.FAILURES.labels(type(error).__name__).inc()
        self.hand_on(self.names.dead, body, {REASON: _said(error)})

    def hand_on(self, queue: str, body: bytes, headers: dict[str, Any]) -> None:
        """Publish to `queue` and wait for the confirm; BrokerUnavailable when there is none.

        It is rare and must not share the fate of a consuming connection: so it has its own.
        """
        properties = pika.BasicProperties(delivery_mode=_PERSISTENT, headers=headers)
        try:
            connection = pika.BlockingConnection(self.parameters)
            try:
                channel = connection.channel()
                channel.confirm_delivery()
                channel.basic_publish("", queue, body, properties, mandatory=True)
            finally:
                connection.close()
        except _BROKEN as error:
            raise BrokerUnavailable(f"RabbitMQ: {type(error).__name__}") from error


class RabbitConsumer(Consumer):
    """One connection, one channel, one queue; `ack` and `nack` may come from any thread."""

    def __init__(self, broker: RabbitBroker, queue: str, prefetch: int, timeout: int) -> None:
        self._broker = broker
        self._queue = queue
        self._connection = pika.BlockingConnection(broker.parameters)
        try:
            self._channel = self._connection.channel()
            broker.declare_on(self._channel)
            self._channel.basic_qos(prefetch_count=prefetch)
            self._deliveries = self._channel.consume(queue, inactivity_timeout=timeout / 1000)
        except BaseException:
            self._close_connection()
            raise

    def __next__(self) -> Delivery | None:
        try:
            method, properties, body = next(self._deliveries)
        except (*_BROKEN, StopIteration) as error:
            raise ConnectionClosed(error) from None  # type: ignore[no-untyped-call]
        if method is None:
            return None
        headers = properties.headers or {}
        return self._accept(method.delivery_tag, headers, body)

    @property
    def is_open(self) -> bool:
        """Whether an answer can still reach the broker."""
        return bool(self._connection.is_open)

    def ack(self, message: MessageProxy) -> None:
        """Acknowledge what is settled; what is not goes back to the queue."""
        delivery = self._mine(message)
        if delivery is None:
            return
        if delivery.settled:
            self._answer(partial(self._channel.basic_ack, delivery.tag))
        else:
            self._answer(partial(self._channel.basic_nack, delivery.tag, requeue=True))

    def nack(self, message: MessageProxy) -> None:
        """Refuse the message: by way of the suspects it ends among the dead letters."""
        delivery = self._mine(message)
        if delivery is not None:
            self._answer(partial(self._channel.basic_nack, delivery.tag, requeue=False))

    def close(self) -> None:
        """Answer what waits to be answered, then close; unanswered deliveries go back."""
        answered = Event()
        try:
            self._connection.add_callback_threadsafe(answered.set)
            while not answered.is_set():  # callbacks run in the order in which they were added
                self._connection.process_data_events(time_limit=0.05)
        except _BROKEN:
            logger.debug("connection lost before it was closed")
        self._close_connection()

    def _accept(self, tag: int, headers: dict[str, Any], body: bytes) -> Delivery | None:
        if self._has_killed(headers) and self._halve(tag, body):
            return None
        try:
            envelope = read_envelope(body, self._broker.names.ingest)
        except InvalidMessage as error:
            logger.warning("unreadable message to the dead letters: %s", error)
            self._channel.basic_nack(tag, requeue=False)
            return None
        message = dramatiq.Message[None](
            queue_name=self._queue,  # by this name dramatiq finds the consumer to answer
            actor_name=envelope.actor_name,
            args=envelope.args,
            kwargs={},
            options={},
            message_id=envelope.message_id,
            message_timestamp=envelope.message_timestamp,
        )
        return Delivery(self, tag, _count(headers, ATTEMPTS), body, message)

    def _has_killed(self, headers: dict[str, Any]) -> bool:
        """Whether a worker died of it although it had nothing else in work."""
        alone = self._queue == self._broker.names.suspects
        return alone and _count(headers, "x-delivery-count") > 0

    def _halve(self, tag: int, body: bytes) -> bool:
        """Put its halves in its place: step by step the bad row is left alone."""
        try:
            envelope = read_envelope(body, self._broker.names.ingest)
            (chunk,) = envelope.args
            if len(chunk) < 2:
                return False
            for half in halves(chunk):
                said = encode_envelope(half, envelope.queue_name, envelope.message_timestamp)
                self._broker.hand_on(self._broker.names.suspects, said, {})
        except (InvalidMessage, BrokerUnavailable):
            return False  # then it is tried as it is
        self._channel.basic_ack(tag)
        return True

    def _mine(self, message: MessageProxy) -> Delivery | None:
        if isinstance(message, Delivery) and message.owner is self:
            return message
        logger.info("message %s was delivered on a lost connection", message.message_id)
        return None

    def _answer(self, answer: Any) -> None:
        try:
            self._connection.add_callback_threadsafe(answer)
        except _BROKEN:
            logger.info("connection lost before the answer: the message will come again")

    def _close_connection(self) -> None:
        try:
            self._connection.close()
        except _BROKEN:
            logger.debug("connection was closed already")


class Outcome(Middleware):
    """Settles every delivery: processed, waiting for its next attempt, or dead with a reason."""

    def __init__(self, queues: Queues, retry_pause: float) -> None:
        self._queues = queues
        self._retry_pause = retry_pause

    def after_process_message(
        self,
        broker: Broker,
        message: MessageProxy,
        *,
        result: Any = None,  # noqa: ARG002 - dramatiq's signature
        exception: BaseException | None = None,
    ) -> None:
        assert isinstance(broker, RabbitBroker) and isinstance(message, Delivery)  # noqa: S101, PT018
        if exception is None:
            message.settled = True
            return
        self._hand_on(broker, message, exception)

    def _hand_on(self, broker: RabbitBroker, message: Delivery, error: BaseException) -> None:
        """Hold the message until it is safe elsewhere.

        It returns to its queue only when this process stops or its connection is lost, because
        each return counts against the delivery limit.
        """
        queue, headers = self._next(message.attempts + 1, error)
        logger.warning("chunk %s to %s: %s", message.message_id, queue, _said(error))
        telemetry.FAILURES.labels(type(error).__name__).inc()
        while not message.settled and message.owner.is_open and not broker.stopping.is_set():
            message.settled = _handed_on(broker, queue, message.body, headers)
            if not (message.settled and isinstance(error, Permanent)):
                broker.stopping.wait(self._retry_pause)  # while a server is away, the queue waits

    def _next(self, attempts: int, error: BaseException) -> tuple[str, dict[str, Any]]:
        """What another try can mend is tried for ever; a defect only once up the ladder."""
        exhausted = not isinstance(error, Transient) and attempts > len(RETRY_SECONDS)
        if isinstance(error, Permanent) or exhausted:
            return self._queues.dead, {ATTEMPTS: attempts, REASON: _said(error)}
        return self._queues.retry(attempts), {ATTEMPTS: attempts}


def _handed_on(broker: RabbitBroker, queue: str, body: bytes, headers: dict[str, Any]) -> bool:
    try:
        broker.hand_on(queue, body, headers)
    except BrokerUnavailable as error:
        logger.warning("no confirm from %s: %s", queue, error)
        return False
    return True


def _said(error: BaseException) -> str:
    """Our own errors speak without personal data; of others only the kind is safe."""
    kind = type(error).__name__
    return f"{kind}: {error}" if isinstance(error, SpendlineError) else kind


def _count(headers: dict[str, Any], name: str) -> int:
    value = headers.get(name, 0)
    return value if isinstance(value, int) else 0
