"""The event after a commit: feeds have grown, and whose ingests are stored.

It sets the positions in Redis and wakes those who wait for a receipt. Losing it costs time and
nothing else: positions are told again as soon as Redis is back, and expire in any case; waiters
look for themselves; a redelivered message repeats it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Mapping

from redis.asyncio import Redis

from pipeline.cache import REDIS_AWAY, Cache

_ID = 16  # bytes of an ingest id
_AGAIN_SECONDS = 0.5
_MOST_UNTOLD = 500_000  # users


class Events:
    """The worker's side: tells after the commit."""

    def __init__(self, redis: Redis, prefix: str, cache: Cache) -> None:
        self._redis = redis
        self._channel = f"{prefix}:stored"
        self._cache = cache
        self._untold: dict[bytes, int] = {}

    async def announce(self, positions: Mapping[bytes, int], ingests: Iterable[bytes]) -> bool:
        """Positions first, so that a woken reader finds them. False: Redis is away."""
        if not await self._cache.advance(positions):
            self._remember(positions)
            return False
        try:
            await self._redis.publish(self._channel, b"".join(ingests))
        except REDIS_AWAY:
            return False
        return True

    async def keep_telling(self) -> None:
        """Tell again, until cancelled, what Redis did not hear: it may still hold older positions."""
        while True:
            await asyncio.sleep(_AGAIN_SECONDS)
            untold, self._untold = self._untold, {}
            if not await self._cache.advance(untold):
                self._remember(untold)

    def _remember(self, positions: Mapping[bytes, int]) -> None:
        if len(self._untold) > _MOST_UNTOLD:  # the time to live then has to do
            return
        for user, position in positions.items():
            self._untold[user] = max(position, self._untold.get(user, 0))


class Waiters:
    """The API's side: requests that wait until something of their ingest is stored."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        self._redis = redis
        self._channel = f"{prefix}:stored"
        self._waiting: dict[bytes, asyncio.Event] = {}

    async def wait(self, ingest: bytes, seconds: float) -> None:
        """Return when the event names the ingest, or after `seconds`."""
        event = self._waiting.setdefault(ingest, asyncio.Event())
        try:
            async with asyncio.timeout(seconds):
                await event.wait()
        except TimeoutError:
            return
        finally:
            if self._waiting.get(ingest) is event:
                del self._waiting[ingest]

    async def listen(self) -> None:
        """Receive events until cancelled; comes back by itself after Redis was away."""
        while True:
            with contextlib.suppress(*REDIS_AWAY):
                await self._receive()
            await asyncio.sleep(1)

    async def _receive(self) -> None:
        async with self._redis.pubsub(ignore_subscribe_messages=True) as pubsub:
            await pubsub.subscribe(self._channel)
            while True:
                message = await pubsub.get_message(timeout=10)
                if message is not None:
                    self._wake(message["data"])

    def _wake(self, ingests: bytes) -> None:
        for start in range(0, len(ingests), _ID):
            event = self._waiting.pop(ingests[start : start + _ID], None)
            if event is not None:
                event.set()
