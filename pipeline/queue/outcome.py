"""The outcome of a delivery after its actor has returned or failed."""

from __future__ import annotations

import logging
from threading import Event
from typing import Any

from dramatiq.broker import Broker, MessageProxy
from dramatiq.middleware import Middleware

from pipeline.errors import BrokerUnavailable, Permanent, Transient
from pipeline.observe import metrics as telemetry
from pipeline.queue.consumer import Delivery
from pipeline.queue.sender import Sender, describe_error
from pipeline.queue.topology import ATTEMPTS, REASON, RETRY_SECONDS, Queues

logger = logging.getLogger(__name__)


class Outcome(Middleware):
    """Settles each delivery: it is processed, waits for its next attempt, or is a dead letter."""

    def __init__(self, queues: Queues, sender: Sender, stopping: Event, retry_pause: float) -> None:
        self._queues = queues
        self._sender = sender
        self._stopping = stopping
        self._retry_pause = retry_pause

    def after_process_message(
        self,
        broker: Broker,  # noqa: ARG002 - dramatiq's signature
        message: MessageProxy,
        *,
        result: Any = None,  # noqa: ARG002 - dramatiq's signature
        exception: BaseException | None = None,
    ) -> None:
        assert isinstance(message, Delivery)  # noqa: S101 - a consumer of ours made it
        if exception is None:
            message.settled = True
            return
        self._settle_failure(message, exception)

    def _settle_failure(self, message: Delivery, error: BaseException) -> None:
        """Hold the message until another queue has confirmed it.

        It returns to its own queue only when this process stops or its connection is lost, because
        each return counts against the delivery limit.
        """
        queue, headers = self._choose_queue(message.attempts + 1, error)
        logger.warning("chunk %s to %s: %s", message.message_id, queue, describe_error(error))
        telemetry.FAILURES.labels(type(error).__name__).inc()
        while not message.settled and message.owner.is_open and not self._stopping.is_set():
            message.settled = self._is_sent(queue, message.body, headers)
            if not (message.settled and isinstance(error, Permanent)):
                self._stopping.wait(
                    self._retry_pause
                )  # new deliveries would fail too while a server is away

    def _choose_queue(self, attempts: int, error: BaseException) -> tuple[str, dict[str, Any]]:
        """The next queue and its headers: a transient error is retried for ever, a defect once a step."""
        exhausted = not isinstance(error, Transient) and attempts > len(RETRY_SECONDS)
        if isinstance(error, Permanent) or exhausted:
            return self._queues.dead, {ATTEMPTS: attempts, REASON: describe_error(error)}
        return self._queues.retry(attempts), {ATTEMPTS: attempts}

    def _is_sent(self, queue: str, body: bytes, headers: dict[str, Any]) -> bool:
        try:
            self._sender.send(queue, body, headers)
        except BrokerUnavailable as error:
            logger.warning("no confirm from %s: %s", queue, error)
            return False
        return True
