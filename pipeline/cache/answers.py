"""Answers kept in Redis with the feed position that they reflect.

An answer is served only at the very position it was kept with. So a missed invalidation is a cache
miss and never a wrong answer, and answers may be kept for long. All answers of a user lie in one
hash: a newer answer replaces the older one, and one command erases a user.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, cast
from uuid import UUID

from redis.asyncio import Redis

from pipeline.cache.connection import REDIS_AWAY
from pipeline.cache.positions import PositionCache
from pipeline.observe import metrics as telemetry

Answer = tuple[int, bytes]  # the position that it reflects, and its body
Compute = Callable[[], Awaitable[Answer]]

_POSITION_BYTES: Final = 8
_MOST_ANSWERS: Final = 32  # of a user; one more replaces them all
_POSITION_LIVES: Final = 1_440  # an answer lives so many times longer than a position

_KEEP_ANSWER: Final = """
local answers, most_answers = KEYS[1], tonumber(ARGV[1])
local query, answer, milliseconds = ARGV[2], ARGV[3], ARGV[4]
local is_full = redis.call('HLEN', answers) >= most_answers
if is_full and redis.call('HEXISTS', answers, query) == 0 then
    redis.call('UNLINK', answers)
end
redis.call('HSET', answers, query, answer)
redis.call('PEXPIRE', answers, milliseconds)
"""


class AnswerCache:
    """Answers of all users under one key prefix.

    They live as long as 1,440 positions of `seconds` each; 0 turns the cache off.
    """

    def __init__(self, redis: Redis, prefix: str, seconds: float, positions: PositionCache) -> None:
        self._redis = redis
        self._prefix = f"{prefix}:answers:"
        self._milliseconds = round(seconds * 1_000) * _POSITION_LIVES
        self._positions = positions
        self._keep = redis.register_script(_KEEP_ANSWER)
        self._running: dict[tuple[UUID, int, str], asyncio.Task[Answer]] = {}
        self.hits = 0
        self.misses = 0

    async def read_answer(
        self, user_id: UUID, position: int, query: str, compute: Compute
    ) -> Answer:
        """(position, body) of `query` at `position` or later; computed once for many readers.

        `compute` returns the body with the position of its snapshot, and the answer is kept with
        that position.
        """
        key = (user_id, position, query)
        task = self._running.get(key)
        if task is None:
            task = asyncio.create_task(self._read_or_compute(user_id, position, query, compute))
            self._running[key] = task
            task.add_done_callback(lambda _: self._running.pop(key, None))
        return await asyncio.shield(task)

    async def forget_user(self, user_id: UUID) -> None:
        """Drop the answers and the position of an erased user."""
        keys = self._build_key(user_id), self._positions.build_key(user_id)
        try:
            await self._redis.unlink(*keys)
        except REDIS_AWAY:
            return

    async def _read_or_compute(
        self, user_id: UUID, position: int, query: str, compute: Compute
    ) -> Answer:
        cached = await self._read_cached(user_id, query)
        hit = cached is not None and cached.startswith(_pack_position(position))
        telemetry.count_lookup("answer", hit=hit)
        if cached is not None and hit:
            self.hits += 1
            return position, cached[_POSITION_BYTES:]
        self.misses += 1
        newer, body = await compute()
        if await self._keep_answer(user_id, query, _pack_position(newer) + body):
            await self._positions.advance_past(user_id, position, newer)
        return newer, body

    async def _read_cached(self, user_id: UUID, query: str) -> bytes | None:
        if not self._milliseconds:
            return None
        try:
            return cast("bytes | None", await self._redis.hget(self._build_key(user_id), query))
        except REDIS_AWAY:
            return None

    async def _keep_answer(self, user_id: UUID, query: str, answer: bytes) -> bool:
        """Whether the answer is kept; Redis may be away."""
        if not self._milliseconds:
            return False
        arguments = (_MOST_ANSWERS, query, answer, self._milliseconds)
        try:
            await self._keep(keys=[self._build_key(user_id)], args=arguments)
        except REDIS_AWAY:
            return False
        return True

    def _build_key(self, user_id: UUID) -> str:
        return f"{self._prefix}{user_id.hex}"


def _pack_position(position: int) -> bytes:
    """The bytes that a kept answer begins with."""
    return position.to_bytes(_POSITION_BYTES, "big")
