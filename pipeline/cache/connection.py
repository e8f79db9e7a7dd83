"""Connections to Redis, and which errors say that it is away."""

from __future__ import annotations

from typing import Final

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

# uvloop answers a write to a connection that was just reset with a RuntimeError.
REDIS_AWAY: Final = (RedisError, OSError, RuntimeError)


def open_redis(url: str, *, timeout: float = 0.25) -> Redis:
    """A client that gives up after `timeout` seconds, because a reader can go to PostgreSQL."""
    return Redis.from_url(
        url,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        retry=Retry(NoBackoff(), 1),
        health_check_interval=10,
    )
