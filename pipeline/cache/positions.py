"""Where the feeds stand, kept in Redis for a short time.

Positions only grow: every writer sets the maximum, so that a slow one cannot set it back. They
expire soon, which bounds what a lost event can do. Without Redis every reader asks PostgreSQL.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, cast
from uuid import UUID

from msgspec import msgpack
from redis.asyncio import Redis

from pipeline.cache.connection import REDIS_AWAY
from pipeline.observe import metrics as telemetry

_ADVANCE_POSITIONS: Final = """
local key_prefix, positions = KEYS[1], cmsgpack.unpack(ARGV[1])
local option, value = ARGV[2], ARGV[3]
for user, position in pairs(positions) do
    local key = key_prefix .. user
    local current = tonumber(redis.call('GET', key) or '-1')
    if position >= current then
        redis.call('SET', key, string.format('%.0f', position), option, value)
    end
end
"""


class PositionCache:
    """Positions of all users under one key prefix, for `seconds` each; 0 turns the cache off."""

    def __init__(self, redis: Redis, prefix: str, seconds: float) -> None:
        self._redis = redis
        self._prefix = f"{prefix}:position:"
        self._milliseconds = round(seconds * 1_000)
        self._advance = redis.register_script(_ADVANCE_POSITIONS)

    async def read_position(
        self, user_id: UUID, load: Callable[[UUID], Awaitable[int | None]]
    ) -> int | None:
        """The user's position, from Redis or else by `load`; None when there is no such user."""
        cached = await self._read_cached(user_id)
        telemetry.count_lookup("position", hit=cached is not None)
        if cached is not None:
            return int(cached)
        position = await load(user_id)
        if position is not None:
            await self.advance_positions({user_id.bytes: position})
        return position

    async def advance_positions(
        self, positions: Mapping[bytes, int], *, current: bool = True
    ) -> bool:
        """Set the positions (by user id, 16 bytes) that are greater; False when Redis is away.

        A feed may have moved on from a position that is not `current`. So such a position neither
        adds a key nor prolongs the life of one.
        """
        if not positions or not self._milliseconds:
            return True
        packed = msgpack.encode({user.hex(): position for user, position in positions.items()})
        options = ("PX", self._milliseconds) if current else ("XX", "KEEPTTL")
        try:
            await self._advance(keys=[self._prefix], args=[packed, *options])
        except REDIS_AWAY:
            return False
        return True

    async def advance_past(self, user_id: UUID, position: int, newer: int) -> None:
        """Set the position of an answer, when it is `newer` than the one its reader started from.

        An answer at the same position proves nothing new, because it may be a replica's.
        """
        if newer > position:
            await self.advance_positions({user_id.bytes: newer})

    async def forget_all_positions(self) -> bool:
        """Drop the positions of all users; False when Redis is away, and they only expire."""
        try:
            async for key in self._redis.scan_iter(f"{self._prefix}*", count=1000):
                await self._redis.unlink(key)
        except REDIS_AWAY:
            return False
        return True

    def build_key(self, user_id: UUID) -> str:
        """The key of the user's position in Redis."""
        return f"{self._prefix}{user_id.hex}"

    async def _read_cached(self, user_id: UUID) -> bytes | None:
        if not self._milliseconds:
            return None
        try:
            return cast("bytes | None", await self._redis.get(self.build_key(user_id)))
        except REDIS_AWAY:
            return None
