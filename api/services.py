"""Typed keys of what the pipeline gives to handlers: `request.app[READS]` is a ReadSource.

`api.app` opens each once a process. A service of the API itself has its key beside its class.
"""

from __future__ import annotations

import asyncio
from typing import Final

import asyncpg
from aiohttp import web
from redis.asyncio import Redis

from pipeline.access.accounts import Accounts
from pipeline.access.idempotency import Idempotency
from pipeline.access.tokens import Tokens
from pipeline.access.users import Users
from pipeline.cache.answers import AnswerCache
from pipeline.cache.events import Waiters
from pipeline.cache.positions import PositionCache
from pipeline.database.clock import Clock
from pipeline.queue.publisher import Publisher
from pipeline.reads.source import ReadSource
from pipeline.store.dead_letters import DeadLetters
from pipeline.transactions.ticket import Signer

POOL: Final = web.AppKey("pool", asyncpg.Pool)
CLOCK: Final = web.AppKey("clock", Clock)
SIGNER: Final = web.AppKey("signer", Signer)
ACCOUNTS: Final = web.AppKey("accounts", Accounts)
USERS: Final = web.AppKey("users", Users)
TOKENS: Final = web.AppKey("tokens", Tokens)
IDEMPOTENCY: Final = web.AppKey("idempotency", Idempotency)
READS: Final = web.AppKey("reads", ReadSource)
DEAD_LETTERS: Final = web.AppKey("dead_letters", DeadLetters)
REDIS: Final = web.AppKey("redis", Redis)
POSITIONS: Final = web.AppKey("positions", PositionCache)
ANSWERS: Final = web.AppKey("answers", AnswerCache)
WAITERS: Final = web.AppKey("waiters", Waiters)
PUBLISHER: Final = web.AppKey("publisher", Publisher)
DRAINING: Final = web.AppKey("draining", asyncio.Event)  # set: this process is leaving
