"""Redis before PostgreSQL: positions of feeds, and answers kept with the position they reflect.

An answer is given only at the very position it is kept with, so a forgotten invalidation is a miss
and never a lie, and answers may be kept for long. Positions only grow: every writer sets the
maximum, so a slow one cannot set it back. They expire soon, which bounds what a lost event can do.
A user's answers lie in one hash: a newer one takes the older one's place, and an erased user's go
with one command. Without Redis every reader goes to PostgreSQL.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, cast
from uuid import UUID

from msgspec import msgpack
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from pipeline.observe import metrics as telemetry

Answer = tuple[int, bytes]  # the position that it reflects, and its body
Compute = Callable[[], Awaitable[Answer]]

# uvloop answers a write to a connection that was just reset with a RuntimeError.
REDIS_AWAY: Final = (RedisError, OSError, RuntimeError)

# ARGV: position by user (hexadecimal), packed into one; the two options of SET. KEYS: what keys begin with.
_ADVANCE: Final = """
for user, given in pairs(cmsgpack.unpack(ARGV[1])) do
    local key = KEYS[1] .. user
    local known = tonumber(redis.call('GET', key) or '-1')
    if given >= known then
        redis.call('SET', key, string.format('%.0f', given), ARGV[2], ARGV[3])
    end
end
"""

_STAMP: Final = 8  # bytes
_LIVES: Final = 1_440  # of a position, that answers are kept for: a day
_MOST_ANSWERS: Final = 32  # of a user; one more, and they begin anew
# ARGV: most fields, field, answer, milliseconds to live.
_KEEP: Final = """
if redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[1]) and redis.call('HEXISTS', KEYS[1], ARGV[2]) == 0 then
    redis.call('UNLINK', KEYS[1])
end
redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
"""


def open_redis(url: str, *, timeout: float = 0.25) -> Redis:
    """A client that gives up soon: a reader has PostgreSQL to go to."""
    return Redis.from_url(
        url,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        retry=Retry(NoBackoff(), 1),
        health_check_interval=10,
    )


class Cache:
    """Positions of all users under one key prefix, for `seconds`, and answers; 0 turns it off."""

    def __init__(self, redis: Redis, prefix: str, seconds: float) -> None:
        self._redis = redis
        self._prefix = prefix
        self._milliseconds = round(seconds * 1_000)
        self._advance = redis.register_script(_ADVANCE)
        self._keep = redis.register_script(_KEEP)
        self._running: dict[tuple[UUID, int, str], asyncio.Task[Answer]] = {}
        self.hits = 0
        self.misses = 0

    async def position(
        self, user_id: UUID, load: Callable[[UUID], Awaitable[int | None]]
    ) -> int | None:
        """The user's position, from Redis or by `load`; None: there is no such user."""
        known = await self._found(self._redis.get, self._position_key(user_id))
        telemetry.cache_looked_up("position", hit=known is not None)
        if known is not None:
            return int(known)
        position = await load(user_id)
        if position is not None:
            await self.advance({user_id.bytes: position})
        return position

    async def advance(self, positions: Mapping[bytes, int], *, current: bool = True) -> bool:
        """Set the positions (user id, 16 bytes) that are greater than known; False: Redis is away.

        Feeds may have moved on from positions that are not `current`: they neither begin to be
        known by them nor are they known for longer.
        """
        if not positions or not self._milliseconds:
            return True
        packed = msgpack.encode({user.hex(): position for user, position in positions.items()})
        options = ("PX", self._milliseconds) if current else ("XX", "KEEPTTL")
        try:
            await self._advance(keys=[f"{self._prefix}:position:"], args=[packed, *options])
        except REDIS_AWAY:
            return False
        return True

    async def forget(self, user_id: UUID) -> None:
        """Drop the position and the answers of an erased user."""
        try:
            await self._redis.unlink(self._position_key(user_id), self._answers_key(user_id))
        except REDIS_AWAY:
            return

    async def forget_everybody(self) -> bool:
        """Drop the positions of all users; False: Redis is away, and they expire by themselves."""
        try:
            async for key in self._redis.scan_iter(f"{self._prefix}:position:*", count=1000):
                await self._redis.unlink(key)
        except REDIS_AWAY:
            return False
        return True

    async def answer(
        self,
        user_id: UUID,
        position: int,
        query: str,
        compute: Compute,
    ) -> Answer:
        """(position, body) of `query` at `position` or later; computed once for many readers.

        `compute` gives the body with the position of its snapshot; it is kept with that one.
        """
        key = (user_id, position, query)
        task = self._running.get(key)
        if task is None:
            task = asyncio.create_task(self._find(user_id, position, query, compute))
            self._running[key] = task
            task.add_done_callback(lambda _: self._running.pop(key, None))
        return await asyncio.shield(task)

    async def _find(self, user_id: UUID, position: int, query: str, compute: Compute) -> Answer:
        kept = await self._found(self._redis.hget, self._answers_key(user_id), query)
        hit = kept is not None and kept.startswith(_stamp(position))
        telemetry.cache_looked_up("answer", hit=hit)
        if kept is not None and hit:
            self.hits += 1
            return position, kept[_STAMP:]
        self.misses += 1
        found, body = await compute()
        if await self._kept(user_id, query, _stamp(found) + body):
            await self.shown(user_id, position, found)
        return found, body

    async def shown(self, user_id: UUID, told: int, found: int) -> None:
        """Let nobody be told less than what an answer has `found`, who was `told` a position.

        An answer at the position that was told proves nothing new: it may be a replica's.
        """
        if found > told:
            await self.advance({user_id.bytes: found})

    async def _kept(self, user_id: UUID, query: str, answer: bytes) -> bool:
        if not self._milliseconds:
            return False
        given = (_MOST_ANSWERS, query, answer, self._milliseconds * _LIVES)
        try:
            await self._keep(keys=[self._answers_key(user_id)], args=given)
        except REDIS_AWAY:
            return False
        return True

    async def _found(self, read: Callable[..., Any], *arguments: str) -> bytes | None:
        if not self._milliseconds:
            return None
        try:
            return cast("bytes | None", await read(*arguments))
        except REDIS_AWAY:
            return None

    def _position_key(self, user_id: UUID) -> str:
        return f"{self._prefix}:position:{user_id.hex}"

    def _answers_key(self, user_id: UUID) -> str:
        return f"{self._prefix}:answers:{user_id.hex}"


def _stamp(position: int) -> bytes:
    """What a kept answer begins with."""
    return position.to_bytes(_STAMP, "big")
