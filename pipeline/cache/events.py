"""The event after a commit, which names the feeds that have grown and the stored ingests.

It sets the positions in Redis and wakes the requests that wait for a receipt. A lost event only
costs time: positions are sent again as soon as Redis is back, and expire in any case. Waiters look
for themselves, and a redelivered message repeats the event.
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
from pipeline.supervise import keep_running
from pipeline.transactions.chunk import Part

_PART = struct.Struct(">16sI")  # the id of an ingest and the number of a part
_RETRY_SECONDS = 0.5
_LONGEST_PAUSE = 1.0  # seconds without events after Redis is back
_MOST_UNSENT = 500_000  # users


class Events:
    """The worker's side: publishes events after commits."""

    def __init__(self, redis: Redis, prefix: str, positions: PositionCache) -> None:
        self._redis = redis
        self._channel = f"{prefix}:stored"
        self._positions = positions
        self._unsent: dict[bytes, int] = {}

    async def publish_event(self, positions: Mapping[bytes, int], parts: Iterable[Part]) -> bool:
        """Set the positions, then wake the waiters; False when Redis is away.

        Positions come first, so that a woken reader finds them.
        """
        if not await self._positions.advance_positions(positions):
            self._remember_positions(positions)
            return False
        try:
            event = b"".join(_PART.pack(part.ingest_id, part.number) for part in parts)
            await self._redis.publish(self._channel, event)
        except REDIS_AWAY:
            return False
        return True

    async def keep_resending(self) -> None:
        """Send again, until cancelled, the positions that Redis has missed."""
        await keep_running("sending positions again", self._send_again, every=_RETRY_SECONDS)

    async def _send_again(self) -> None:
        unsent, self._unsent = self._unsent, {}
        if not await self._positions.advance_positions(unsent):
            self._remember_positions(unsent)

    def _remember_positions(self, positions: Mapping[bytes, int]) -> None:
        if len(self._unsent) > _MOST_UNSENT:  # older positions then live until they expire
            return
        for user, position in positions.items():
            self._unsent[user] = max(position, self._unsent.get(user, 0))


class StoredParts:
    """The parts of one ingest that events have named since a request began to listen."""

    def __init__(self) -> None:
        self.parts: set[int] = set()
        self.listeners = 0
        self._grown = asyncio.Event()

    def add_part(self, part: int) -> None:
        self.parts.add(part)
        self._grown.set()

    async def wait_for_more(self, count: int, wanted: set[int], seconds: float) -> None:
        """Wait for more than `count` parts, with all `wanted` ones among them, or `seconds`."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while len(self.parts) <= count or not wanted <= self.parts:
                    self._grown.clear()
                    await self._grown.wait()


class Waiters:
    """The API's side: requests that wait until their whole ingest is stored."""

    def __init__(self, redis: Redis, prefix: str) -> None:
        self._redis = redis
        self._channel = f"{prefix}:stored"
        self._heard: dict[bytes, StoredParts] = {}

    @contextmanager
    def collect_parts(self, ingest: bytes) -> Iterator[StoredParts]:
        """Collect the parts of the ingest that events name during the block."""
        heard = self._heard.setdefault(ingest, StoredParts())
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
        await keep_running(
            "listening to events", lambda: self._receive(stored), longest_pause=_LONGEST_PAUSE
        )

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
                heard.add_part(part)
            stored(ingest, part)
