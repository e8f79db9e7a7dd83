"""The composition root of an API process, which opens, serves and drains everything."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncGenerator, Callable, Coroutine
from functools import partial
from typing import Any, Final

import asyncpg
from aiohttp import web

from api.http import openapi
from api.http.authorization import TOKEN_HOLDERS, TokenHolders, authorize_request
from api.http.bodies import INTAKE, Intake
from api.http.idempotency import answer_once
from api.http.middlewares import answer_always, trace_request
from api.http.protocol import refuse_broken_requests
from api.http.rate_limits import RATE_LIMITS, RateLimits
from api.http.routing import add_routes
from api.ingest.coalesce import COALESCER, Coalescer
from api.lookups import CATEGORIES, MONTHS, OWNERS, Categories, Months, Owners
from api.routes import ROUTES
from api.services import (
    ACCOUNTS,
    ANSWERS,
    CLOCK,
    DEAD_LETTERS,
    DRAINING,
    IDEMPOTENCY,
    POOL,
    POSITIONS,
    PUBLISHER,
    READS,
    REDIS,
    SIGNER,
    TOKENS,
    USERS,
    WAITERS,
)
from pipeline import garbage as collector
from pipeline.access.accounts import Accounts
from pipeline.access.idempotency import Idempotency
from pipeline.access.signing import load_signer
from pipeline.access.tokens import Tokens
from pipeline.access.users import Users
from pipeline.cache.answers import AnswerCache
from pipeline.cache.connection import open_redis
from pipeline.cache.events import Waiters
from pipeline.cache.positions import PositionCache
from pipeline.database.clock import Clock
from pipeline.database.pool import open_pool, translate_errors
from pipeline.errors import NotMigrated
from pipeline.observe import metrics as telemetry
from pipeline.queue.depth import watch_queues
from pipeline.queue.publisher import Publisher
from pipeline.queue.topology import Queues
from pipeline.reads.replicas import ReplicaPool, Replicas
from pipeline.reads.source import ReadSource
from pipeline.reads.taxonomy import read_taxonomy
from pipeline.settings import Settings
from pipeline.store.dead_letters import DeadLetters
from pipeline.transactions.money import MAX_BODY
from pipeline.transactions.ticket import Signer

_NOTICE_SECONDS: Final = 1.0  # a load balancer sees meanwhile that the process is not ready
_FINISH_SECONDS: Final = 30.0
_BODY_BYTES: Final = 16 * MAX_BODY
_BACKLOG: Final = 1024


def create_app(settings: Settings) -> web.Application:
    """Build the application, which opens its servers when it starts and closes them at its end."""
    middlewares = [answer_always, authorize_request, answer_once]
    if settings.traces_url:
        middlewares.insert(0, trace_request)
    app = web.Application(client_max_size=MAX_BODY, middlewares=middlewares)
    app[openapi.DOCUMENT] = openapi.build_document(ROUTES)
    add_routes(app, ROUTES)

    async def keep_services_open(app: web.Application) -> AsyncGenerator[None]:
        async with contextlib.AsyncExitStack() as stack:
            await open_services(app, settings, stack)
            yield

    app.cleanup_ctx.append(keep_services_open)
    return app


async def open_services(
    app: web.Application, settings: Settings, stack: contextlib.AsyncExitStack
) -> None:
    """Put what handlers work with under its keys; the stack closes it in reverse order.

    Raises StoreUnavailable or NotMigrated. Without RabbitMQ the process starts but is not ready,
    without Redis it is slower.
    """
    app[DRAINING] = asyncio.Event()
    await _open_database(app, settings, stack)
    _open_cache(app, settings, stack)
    await _open_queue(app, settings, stack)
    _add_lookups(app, settings)
    stack.push_async_callback(app[COALESCER].drain)
    _start(stack, app[WAITERS].listen(app[COALESCER].note_stored))
    _start(stack, app[CLOCK].keep_synchronized(app[POOL]))
    _start(stack, watch_queues(settings.broker_url, Queues(settings.queue_prefix)))
    telemetry.watch_pool(app[POOL], "api")


async def serve(settings: Settings, say: Callable[[str], None]) -> None:
    """Answer requests until SIGTERM or SIGINT, then finish what is under way.

    Several processes may serve one port. Raises OSError when the port is taken.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    refuse_broken_requests()
    app = create_app(settings)
    runner = web.AppRunner(
        app,
        handle_signals=False,
        access_log=None,
        auto_decompress=False,
        shutdown_timeout=_FINISH_SECONDS,
    )
    await runner.setup()
    try:
        site = web.TCPSite(
            runner, settings.api_host, settings.api_port, reuse_port=True, backlog=_BACKLOG
        )
        await site.start()
        telemetry.serve_metrics(settings.metrics_host, settings.api_metrics_port)
        collector.exempt_started_objects()
        say(f"listening on http://{settings.api_host}:{settings.api_port}")
        await stop.wait()
        app[DRAINING].set()
        await asyncio.sleep(_NOTICE_SECONDS)
    finally:
        await runner.cleanup()


async def _open_database(
    app: web.Application, settings: Settings, stack: contextlib.AsyncExitStack
) -> None:
    pool = await open_pool(
        settings.database_url,
        size=settings.api_pool_size,
        name="spendline-api",
        timeout=settings.read_seconds,
    )
    stack.push_async_callback(pool.close)
    replicas = _build_replicas(settings)
    for replica in replicas:
        _start(stack, replica.keep())
    app[POOL] = pool
    app[CLOCK] = Clock()
    app[SIGNER] = await _load_signer(pool, app[CLOCK])
    app[USERS] = Users(pool)
    app[ACCOUNTS] = Accounts(pool)
    app[USERS] = Users(pool)
    app[TOKENS] = Tokens(pool)
    app[IDEMPOTENCY] = Idempotency(pool)
    app[READS] = ReadSource(pool, Replicas(replicas))
    app[DEAD_LETTERS] = DeadLetters(pool)


def _build_replicas(settings: Settings) -> list[ReplicaPool]:
    return [
        ReplicaPool(
            f"replica {number}",
            url,
            size=settings.api_pool_size,
            seconds=settings.replica_seconds,
            rest=settings.replica_rest_seconds,
        )
        for number, url in enumerate(settings.replicas, 1)
    ]


async def _load_signer(pool: asyncpg.Pool, clock: Clock) -> Signer:
    try:
        async with translate_errors():
            await clock.synchronize(pool)
            return await load_signer(pool)
    except asyncpg.UndefinedTableError:
        raise NotMigrated("the database is empty: run `spendline migrate`") from None


def _open_cache(app: web.Application, settings: Settings, stack: contextlib.AsyncExitStack) -> None:
    redis = open_redis(settings.redis_url)
    stack.push_async_callback(redis.aclose)
    app[REDIS] = redis
    positions = PositionCache(redis, settings.key_prefix, settings.cache_seconds)
    app[POSITIONS] = positions
    app[ANSWERS] = AnswerCache(redis, settings.key_prefix, settings.cache_seconds, positions)
    app[WAITERS] = Waiters(redis, settings.key_prefix)
    app[RATE_LIMITS] = RateLimits(
        redis, settings.key_prefix, settings.rate_limit, settings.rate_limit_seconds
    )


async def _open_queue(
    app: web.Application, settings: Settings, stack: contextlib.AsyncExitStack
) -> None:
    queues = Queues(settings.queue_prefix)
    publisher = Publisher(settings.broker_url, queues.ingest, app[CLOCK], settings.confirm_seconds)
    stack.push_async_callback(publisher.stop)
    await publisher.start()
    app[PUBLISHER] = publisher
    app[COALESCER] = Coalescer(
        publisher,
        app[CLOCK],
        chunk_rows=settings.chunk_rows,
        unconfirmed_chunks=settings.unconfirmed_chunks,
        lanes=settings.lanes,
        gather_seconds=settings.gather_seconds,
        pending_rows=settings.pending_rows,
    )


def _add_lookups(app: web.Application, settings: Settings) -> None:
    app[INTAKE] = Intake(_BODY_BYTES)
    app[OWNERS] = Owners(app[ACCOUNTS], settings.account_cache_size)
    app[TOKEN_HOLDERS] = TokenHolders(app[TOKENS], settings.token_cache_seconds)
    app[MONTHS] = Months(app[POOL])
    app[CATEGORIES] = Categories(partial(read_taxonomy, app[READS]))


def _start(stack: contextlib.AsyncExitStack, work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine until the stack is left."""
    stack.push_async_callback(_cancel, asyncio.create_task(work))


async def _cancel(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
