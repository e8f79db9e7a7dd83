"""The names of the queues, and their declaration.

    <prefix>.ingest             chunks to categorize; full or without a quorum, it refuses
    <prefix>.ingest.suspects    the quarantine: chunks that were in flight when workers died
    <prefix>.ingest.retry.N     chunks that wait for attempt N + 1, then return to ingest
    <prefix>.dead               dead letters, until a worker stores them in the database

All are quorum queues. Dead-lettering is at least once: a message leaves a queue only when the
next one has confirmed it. RabbitMQ itself moves a message that it has delivered too often. A
worker that died between the copy and the acknowledgement would copy a killing chunk repeatedly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError, ChannelClosedByBroker

from pipeline.errors import BrokerUnavailable, QueueMismatch
from pipeline.queue.connection import open_blocking_connection
from pipeline.settings import QueueBound

RETRY_SECONDS: Final = (1, 5, 30, 120, 600)
SHARED_DELIVERIES: Final = 2  # of one message, among others, before its quarantine
LONE_DELIVERIES: Final = 7  # of one message in quarantine, before it is a dead letter

ATTEMPTS: Final = "attempts"  # header: how often processing failed so far
REASON: Final = "reason"  # header of a dead letter

_NO_LIMIT: Final = 2**31 - 1  # explicit, because RabbitMQ 4 would default to 20
_PRECONDITION_FAILED: Final = 406


@dataclass(frozen=True, slots=True)
class Queues:
    """The names of the queues of one system."""

    prefix: str

    @property
    def ingest(self) -> str:
        return f"{self.prefix}.ingest"

    @property
    def suspects(self) -> str:
        return f"{self.ingest}.suspects"

    @property
    def dead(self) -> str:
        return f"{self.prefix}.dead"

    @property
    def retries(self) -> list[str]:
        return [f"{self.ingest}.retry.{step}" for step in range(1, len(RETRY_SECONDS) + 1)]

    def retry(self, attempts: int) -> str:
        """The retry queue after `attempts` failed attempts, of which there is at least one."""
        return self.retries[min(attempts, len(RETRY_SECONDS)) - 1]

    @property
    def all(self) -> list[str]:
        return [self.ingest, self.suspects, *self.retries, self.dead]


def declare_queues(url: str, prefix: str, bound: QueueBound) -> None:
    """Create the queues that are missing.

    Raises BrokerUnavailable, or QueueMismatch when a queue exists with other arguments.
    """
    try:
        with open_blocking_connection(url) as connection:
            declare_queues_on(connection.channel(), Queues(prefix), bound)
    except (AMQPError, OSError) as error:
        raise BrokerUnavailable(f"RabbitMQ: {type(error).__name__}") from error


def declare_queues_on(channel: BlockingChannel, queues: Queues, bound: QueueBound) -> None:
    """Create the missing queues on an open channel. Raises QueueMismatch and pika's errors."""
    for name, arguments in _make_arguments(queues, bound).items():
        try:
            channel.queue_declare(name, durable=True, arguments=arguments)
        except ChannelClosedByBroker as error:
            if error.reply_code != _PRECONDITION_FAILED:
                raise
            raise QueueMismatch(
                f"queue {name} exists with other arguments: "
                "drain and delete it, or restore SPENDLINE_QUEUE_LENGTH, "
                "SPENDLINE_QUEUE_MEGABYTES or the version that made it"
            ) from None


def _make_arguments(queues: Queues, bound: QueueBound) -> dict[str, dict[str, Any]]:
    most = {"x-max-length": bound.messages, "x-max-length-bytes": bound.megabytes << 20}
    ingest = _make_quorum_queue(queues.suspects) | most | _limit_deliveries(SHARED_DELIVERIES)
    suspects = _make_quorum_queue(queues.dead) | _limit_deliveries(LONE_DELIVERIES)
    waiting = {
        name: _make_quorum_queue(queues.ingest) | {"x-message-ttl": seconds * 1000}
        for name, seconds in zip(queues.retries, RETRY_SECONDS, strict=True)
    }
    dead = {"x-queue-type": "quorum", "x-delivery-limit": _NO_LIMIT}
    return {queues.dead: dead, queues.ingest: ingest, queues.suspects: suspects, **waiting}


def _limit_deliveries(times: int) -> dict[str, Any]:
    return {"x-delivery-limit": times - 1}  # RabbitMQ counts returns, not deliveries


def _make_quorum_queue(then: str) -> dict[str, Any]:
    return {
        "x-queue-type": "quorum",
        "x-overflow": "reject-publish",
        "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": then,
        "x-dead-letter-strategy": "at-least-once",
    }
