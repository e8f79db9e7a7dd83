"""Workers send messages to other queues with publisher confirms, each on a new connection."""

from __future__ import annotations

from typing import Any, Final

import pika

from pipeline.errors import BrokerUnavailable, SpendlineError
from pipeline.queue.connection import BLOCKING_LOST, open_blocking_connection

_PERSISTENT: Final = 2


class Sender:
    """Opens a connection for each message, because sending is rare and must not fail a consumer."""

    def __init__(self, url: str) -> None:
        self._url = url

    def send(self, queue: str, body: bytes, headers: dict[str, Any]) -> None:
        """Return when the broker has confirmed the message. Raises BrokerUnavailable."""
        properties = pika.BasicProperties(delivery_mode=_PERSISTENT, headers=headers)
        try:
            with open_blocking_connection(self._url) as connection:
                channel = connection.channel()
                channel.confirm_delivery()
                channel.basic_publish("", queue, body, properties, mandatory=True)
        except BLOCKING_LOST as error:
            raise BrokerUnavailable(f"RabbitMQ: {type(error).__name__}") from error


def describe_error(error: BaseException) -> str:
    """The reason for a header or a log line; only our own errors are free of personal data."""
    kind = type(error).__name__
    return f"{kind}: {error}" if isinstance(error, SpendlineError) else kind
