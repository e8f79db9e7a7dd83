"""The event after a commit: feeds have grown, and whose ingests are stored.

It sets the positions in Redis and wakes those who wait for a receipt. Losing it costs time and
nothing else: positions are told again as soon as Redis is back, and expire in any case; waiters
look for themselves; a redelivered message repeats it.
"""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

from redis.asyncio import Redis

from pipeline.cache.connection import REDIS_AWAY
from pipeline.cache.positions import PositionCache
from pipeline.transactions.chunk import Part

_PART = struct.Struct(">16sI")  # of an event: the ingest's id and the number of its part
_AGAIN_SECONDS = 0.5
_MOST_UNTOLD = 500_000  # users


class Events:
    """The worker's side: tells after the commit."""

    def __init__(self, redis: Redis, prefix: str, positions: PositionCache) -> None:
        self._redis = redis
        self._channel = f"{prefix}:stored"
        self._positions = positions
        self._untold: dict[bytes, int] = {}

    async def announce(self, positions: Mapping[bytes, int], parts: Iterable[Part]) -> bool:
        """Positions first, so that a woken reader finds them. False: Redis is away."""
        if not await self._positions.advance_positions(positions):
            self._remember(positions)
            return False
        try:
            told = [_PART.pack(part.ingest_id, part.number) for part in parts]
            await self._redis.publish(self._channel, b"".join(told))
        except REDIS_AWAY:
            return False
        return True

    async def keep_telling(self) -> None:
        """Tell again, until cancelled, what Redis did not hear: it may still hold older positions."""
        while True:
            await asyncio.sleep(_AGAIN_SECONDS)
            untold, self._untold = self._untold, {}
            if not await self._positions.advance_positions(untold):
                self._remember(untold)

    def _remember(self, positions: Mapping[bytes, int]) -> None:
        if len(self._untold) > _MOST_UNTOLD:  # the time to live then has to do
            return
        for user, position in positions.items():
            self._untold[user] = max(position, self._untold.get(user, 0))


class Heard:
    """The parts of one ingest that events have named since somebody began to listen."""

    def __init__(self) -> None:
        self.parts: set[int] = set()
        self.listeners = 0
        self._grown = asyncio.Event()

    def add(self, part: int) -> None:
        self.parts.add(part)
        self._grown.set()

    async def more(self, known: int, wanted: set[int], seconds: float) -> None:
        """Return with more than the `known` number of parts, all that are `wanted` among them.

        Or after `seconds`.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while len(self.parts) <= known or not wanted <= self.parts:
                    self._grown.clear()
                    await self._grown.wait()


class Waiters:
    """The API's side: requests that wait until all of their ingest is stored."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        self._redis = redis
        self._channel = f"{prefix}:stored"
        self._heard: dict[bytes, Heard] = {}

    @contextmanager
    def listening(self, ingest: bytes) -> Iterator[Heard]:
        """What events say of the ingest from now on."""
        heard = self._heard.setdefault(ingest, Heard())
        heard.listeners += 1
        try:
            yield heard
        finally:
            heard.listeners -= 1
            if not heard.listeners:
                del self._heard[ingest]

    async def listen(self, stored: Callable[[bytes, int], None]) -> None:
        """Receive events until cancelled; comes back by itself after Redis was away.

        `stored` is told every part that they name, by ingest and number.
        """
        while True:
            with contextlib.suppress(*REDIS_AWAY):
                await self._receive(stored)
            await asyncio.sleep(1)

    async def _receive(self, stored: Callable[[bytes, int], None]) -> None:
        async with self._redis.pubsub(ignore_subscribe_messages=True) as pubsub:
            await pubsub.subscribe(self._channel)
            while True:
                message = await pubsub.get_message(timeout=10)
                if message is not None:
                    self._wake(message["data"], stored)

    def _wake(self, event: bytes, stored: Callable[[bytes, int], None]) -> None:
        for ingest, part in _PART.iter_unpack(event[: len(event) // _PART.size * _PART.size]):
            if (heard := self._heard.get(ingest)) is not None:
                heard.add(part)
            stored(ingest, part)
