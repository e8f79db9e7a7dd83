"""The number of requests that a token may make in a window of time.

All processes count together in Redis. While Redis is away, each process counts alone, and the
quota holds for each process.
"""

from __future__ import annotations

import math
import time
from typing import Final, NamedTuple
from uuid import UUID

from aiohttp import web
from redis.asyncio import Redis

from pipeline.cache.connection import REDIS_AWAY

# The window begins with its first request. The script returns its requests and its rest in ms.
_COUNT: Final = """
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return {count, redis.call('PTTL', KEYS[1])}
"""
_AWAY_SECONDS: Final = 1.0  # each try while Redis is away delays a request by its time-out
_MAX_LOCAL: Final = 10_000


class Quota(NamedTuple):
    """The requests that a token has used, and the seconds until its window ends."""

    limit: int
    window: int
    used: int
    resets_in: int

    @property
    def is_exceeded(self) -> bool:
        return self.used > self.limit

    @property
    def headers(self) -> dict[str, str]:
        """The RateLimit fields of the IETF's draft, and Retry-After when the quota is exceeded."""
        left = max(0, self.limit - self.used)
        fields = {
            "RateLimit-Policy": f'"requests";q={self.limit};w={self.window}',
            "RateLimit": f'"requests";r={left};t={self.resets_in}',
        }
        return fields | ({"Retry-After": str(self.resets_in)} if self.is_exceeded else {})


class RateLimits:
    """A token may make `limit` requests in each window of `seconds`; 0 means no limit."""

    def __init__(self, redis: Redis, prefix: str, limit: int, seconds: int) -> None:
        self._count = redis.register_script(_COUNT)
        self._prefix = prefix
        self._limit = limit
        self._seconds = seconds
        self._local: dict[UUID, tuple[int, float]] = {}
        self._away_until = 0.0

    async def count_request(self, token_id: UUID) -> Quota | None:
        """Count one request of a token. Returns None when there is no limit."""
        if not self._limit:
            return None
        count, left = await self._count_shared(token_id) or self._count_locally(token_id)
        resets_in = max(1, math.ceil(left))
        return Quota(self._limit, self._seconds, count, resets_in)

    async def _count_shared(self, token_id: UUID) -> tuple[int, float] | None:
        if time.monotonic() < self._away_until:
            return None
        try:
            key = f"{self._prefix}:requests:{token_id}"
            count, left = await self._count(keys=[key], args=[self._seconds * 1000])
        except REDIS_AWAY:
            self._away_until = time.monotonic() + _AWAY_SECONDS
            return None
        return count, left / 1000

    def _count_locally(self, token_id: UUID) -> tuple[int, float]:
        now = time.monotonic()
        count, ends = self._local.get(token_id, (0, 0.0))
        if now >= ends:
            if len(self._local) >= _MAX_LOCAL:
                self._local.clear()
            count, ends = 0, now + self._seconds
        self._local[token_id] = count + 1, ends
        return count + 1, ends - now


RATE_LIMITS: Final = web.AppKey("rate_limits", RateLimits)
QUOTA: Final = web.RequestKey("quota", Quota)
