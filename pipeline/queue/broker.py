"""The dramatiq broker of the workers: no message is lost, and none is acknowledged by mistake.

It differs from the one that comes with dramatiq in what happens around failures:

- a delivery is answered only on the connection that delivered it, and acknowledged only when it
  was processed or when another queue has confirmed it;
- a failure waits for its next attempt in a queue with a time to live, not in this process;
- an envelope is checked before dramatiq sees it; what cannot be read goes to the dead letters;
- a chunk that was in flight when workers died waits in quarantine and is tried alone.

A chunk that ends its worker from the quarantine is halved, so that only the faulty row reaches the
delivery limit.
"""

from __future__ import annotations

import random
import time
from threading import Event
from typing import Any, Final

import dramatiq
from dramatiq.broker import Broker, Consumer
from dramatiq.errors import ConnectionClosed

from pipeline.errors import SpendlineError
from pipeline.observe import metrics as telemetry
from pipeline.queue.connection import BLOCKING_LOST
from pipeline.queue.consumer import RabbitConsumer
from pipeline.queue.outcome import Outcome
from pipeline.queue.sender import Sender, describe_error
from pipeline.queue.topology import REASON, Queues
from pipeline.settings import QueueBound
from pipeline.transactions.chunk import Chunk
from pipeline.transactions.envelope import encode_envelope

_RECONNECT_JITTER: Final = 2.0  # seconds, beside dramatiq's own 3


class RabbitBroker(Broker):
    """Consumes the ingest queue and the quarantine of one system."""

    def __init__(
        self,
        url: str,
        queues: Queues,
        *,
        bound: QueueBound,
        prefetch: int,
        retry_pause: float = 1.0,
    ) -> None:
        self.names = queues
        self.stopping = Event()
        self._url = url
        self._sender = Sender(url)
        self._bound = bound
        self._prefetch = {queues.ingest: prefetch, queues.suspects: 1}
        outcome = Outcome(queues, self._sender, self.stopping, retry_pause)
        super().__init__(middleware=[outcome])

    def declare_queue(self, queue_name: str) -> None:
        """Consume the ingest queue and its quarantine. Raises ValueError for another queue."""
        if queue_name != self.names.ingest:
            raise ValueError(f"actors listen on {self.names.ingest}, not on {queue_name}")
        for name in (self.names.ingest, self.names.suspects):
            if name not in self.queues:
                self.queues[name] = None
                self.emit_after("declare_queue", name)

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 1000) -> Consumer:  # noqa: ARG002 - dramatiq's signature
        """A consumer on its own connection; the prefetch is that of this broker.

        Raises ConnectionClosed, after a pause that spreads the reconnects of many workers.
        """
        try:
            return RabbitConsumer(
                self._url,
                self.names,
                self._sender,
                queue=queue_name,
                bound=self._bound,
                prefetch=self._prefetch[queue_name],
                timeout=timeout,
            )
        except BLOCKING_LOST as error:
            time.sleep(random.uniform(0, _RECONNECT_JITTER))  # noqa: S311 - spreads load
            raise ConnectionClosed(error) from None  # type: ignore[no-untyped-call]

    def enqueue(self, message: dramatiq.Message[Any], *, delay: int | None = None) -> Any:
        """Publish one chunk with a confirm. Raises ValueError for a delay: retry queues make delays."""
        if delay is not None:
            raise ValueError("a delay is a step of the retry ladder")
        chunk: Chunk = message.args[0]
        body = encode_envelope(chunk, message.queue_name, message.message_timestamp)
        self._sender.send(message.queue_name, body, {})
        return message

    def send_dead_letter(self, chunk: Chunk, error: SpendlineError) -> None:
        """Send a chunk to the dead letters with the reason. Raises BrokerUnavailable."""
        body = encode_envelope(chunk, self.names.ingest, int(time.time() * 1000))
        telemetry.FAILURES.labels(type(error).__name__).inc()
        self._sender.send(self.names.dead, body, {REASON: describe_error(error)})
