"""Connections to RabbitMQ: opened, bounded in every wait, and closed in one place.

asyncio code uses aio-pika; the threads of workers use pika.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncGenerator, Iterator
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

import aio_pika
import pika
from aio_pika.abc import AbstractConnection
from aiormq.exceptions import AMQPError as AsyncAMQPError
from aiormq.exceptions import ChannelInvalidStateError
from pika.exceptions import AMQPError
from yarl import URL

_HEARTBEAT_SECONDS: Final = 10
_BLOCKED_SECONDS: Final = 5
_OPEN_SECONDS: Final = 10  # for all steps of opening a blocking connection
_CLOSE_SECONDS: Final = 1.0
_TLS_FILES: Final = ("cafile", "certfile", "keyfile")  # parameters of an amqps URL

# uvloop answers a write to a connection that was just reset with a RuntimeError.
LOST: Final = (AsyncAMQPError, ChannelInvalidStateError, OSError, TimeoutError, RuntimeError)
# pika asserts when a channel dies under it.
BLOCKING_LOST: Final = (AMQPError, AssertionError, OSError)


@contextlib.asynccontextmanager
async def open_connection(url: str, seconds: float) -> AsyncGenerator[AbstractConnection]:
    """An asyncio connection that the broker accepts within `seconds`. Raises what LOST lists."""
    bounded = URL(url).update_query(heartbeat=_HEARTBEAT_SECONDS)
    connection = await aio_pika.connect(bounded, timeout=seconds)
    try:
        yield connection
    finally:
        with contextlib.suppress(*LOST):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await connection.close()


@contextlib.contextmanager
def open_blocking_connection(url: str) -> Iterator[pika.BlockingConnection]:
    """A connection for one thread. Raises what BLOCKING_LOST lists."""
    connection = pika.BlockingConnection(connection_parameters(url))
    try:
        yield connection
    finally:
        connection.close()


def connection_parameters(url: str) -> pika.URLParameters:
    """Parameters of a blocking connection in which every wait is bounded.

    An `amqps` URL may name `cafile`, and `certfile` with `keyfile`, as aio-pika reads it.
    """
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query))
    files = {name: query.pop(name, None) for name in _TLS_FILES}
    bounded = pika.URLParameters(parts._replace(query=urlencode(query)).geturl())
    if bounded.ssl_options is not None:
        bounded.ssl_options = pika.SSLOptions(_make_tls(**files), bounded.host)
    bounded.heartbeat = _HEARTBEAT_SECONDS
    bounded.blocked_connection_timeout = _BLOCKED_SECONDS
    bounded.socket_timeout = _BLOCKED_SECONDS
    bounded.stack_timeout = _OPEN_SECONDS
    bounded.connection_attempts = 1
    return bounded


def _make_tls(cafile: str | None, certfile: str | None, keyfile: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=cafile)
    if certfile is not None:
        context.load_cert_chain(certfile, keyfile)
    return context
