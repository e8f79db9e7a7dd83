"""The composition root of an API process: everything is opened here, served, and drained."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncGenerator, Callable
from functools import partial
from typing import Final

import asyncpg
from aiohttp import web
from redis.asyncio import Redis

from api.dependencies import SERVICES, Services
from api.http import openapi
from api.http.bodies import Intake
from api.http.idempotency import answer_once
from api.http.middlewares import answer_always, authorize, trace
from api.http.protocol import refuse_what_is_not_http
from api.http.rate_limits import Limits
from api.ingest.coalesce import Coalescer
from api.lookups import Categories, Months, Owners, TokenHolders
from api.routes import ROUTES, add_routes
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
from pipeline.database.pool import open_pool, translated
from pipeline.errors import NotMigrated
from pipeline.observe import metrics as telemetry
from pipeline.queue.depth import watch_queues
from pipeline.queue.publisher import Publisher
from pipeline.queue.topology import Queues
from pipeline.reads.replicas import Replica, Replicas
from pipeline.reads.source import ReadSource
from pipeline.reads.taxonomy import read_taxonomy
from pipeline.settings import Settings
from pipeline.store.dead_letters import Letters
from pipeline.transactions.money import MAX_BODY
from pipeline.transactions.ticket import Signer

_NOTICE_SECONDS: Final = 1.0  # between not ready and closed: time for a balancer to notice
_FINISH_SECONDS: Final = 30.0
_BODY_BYTES: Final = 16 * MAX_BODY
_BACKLOG: Final = 1024


def create_app(settings: Settings) -> web.Application:
    """The application; servers are opened when it starts and closed when it ends."""
    middlewares = [answer_always, authorize, answer_once]
    if settings.traces_url:
        middlewares.insert(0, trace)
    app = web.Application(client_max_size=MAX_BODY, middlewares=middlewares)
    app[openapi.DOCUMENT] = openapi.document(ROUTES)
    add_routes(app, ROUTES)

    async def opened(app: web.Application) -> AsyncGenerator[None]:
        async with open_services(settings) as found:
            app[SERVICES] = found
            yield

    app.cleanup_ctx.append(opened)
    return app


@contextlib.asynccontextmanager
async def open_services(settings: Settings) -> AsyncGenerator[Services]:
    """Everything that handlers work with. Raises StoreUnavailable or NotMigrated.

    RabbitMQ and Redis may be away: then the process is not ready, or slower.
    """
    async with contextlib.AsyncExitStack() as stack:
        pool = await open_pool(
            settings.database_url,
            size=settings.api_pool_size,
            name="spendline-api",
            timeout=settings.read_seconds,
        )
        stack.push_async_callback(pool.close)
        replicas = _replicas(settings)
        for replica in replicas:
            stack.push_async_callback(_ended, asyncio.create_task(replica.keep()))
        redis = open_redis(settings.redis_url)
        stack.push_async_callback(redis.aclose)
        clock = Clock()
        signer = await _from_database(pool, clock)
        queues = Queues(settings.queue_prefix)
        publisher = Publisher(settings.broker_url, queues.ingest, clock, settings.confirm_seconds)
        stack.push_async_callback(publisher.stop)
        await publisher.start()
        found = _services(
            settings,
            pool=pool,
            replicas=Replicas(replicas),
            redis=redis,
            clock=clock,
            signer=signer,
            publisher=publisher,
        )
        stack.push_async_callback(found.coalescer.drain)
        stack.push_async_callback(
            _ended, asyncio.create_task(found.waiters.listen(found.coalescer.stored))
        )
        stack.push_async_callback(_ended, asyncio.create_task(clock.keep(pool)))
        watch = watch_queues(settings.broker_url, queues)
        stack.push_async_callback(_ended, asyncio.create_task(watch))
        telemetry.watch_pool(pool, "api")
        yield found


async def serve(settings: Settings, say: Callable[[str], None]) -> None:
    """Answer requests until SIGTERM or SIGINT, then finish what is under way.

    Several processes may serve one port. Raises OSError when the port is taken.
    """
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    refuse_what_is_not_http()
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
        telemetry.serve(settings.metrics_host, settings.api_metrics_port)
        collector.leave_the_started_alone()
        say(f"listening on http://{settings.api_host}:{settings.api_port}")
        await stop.wait()
        app[SERVICES].health.draining = True
        await asyncio.sleep(_NOTICE_SECONDS)
    finally:
        await runner.cleanup()


async def _from_database(pool: asyncpg.Pool, clock: Clock) -> Signer:
    try:
        async with translated():
            await clock.synchronize(pool)
            return await load_signer(pool)
    except asyncpg.UndefinedTableError:
        raise NotMigrated("the database is empty: run `spendline migrate`") from None


def _replicas(settings: Settings) -> list[Replica]:
    return [
        Replica(
            f"replica {number}",
            url,
            size=settings.api_pool_size,
            seconds=settings.replica_seconds,
            rest=settings.replica_rest_seconds,
        )
        for number, url in enumerate(settings.replicas, 1)
    ]


def _services(
    settings: Settings,
    *,
    pool: asyncpg.Pool,
    replicas: Replicas,
    redis: Redis,
    clock: Clock,
    signer: Signer,
    publisher: Publisher,
) -> Services:
    accounts, tokens, reads = Accounts(pool), Tokens(pool), ReadSource(pool, replicas)
    positions = PositionCache(redis, settings.key_prefix, settings.cache_seconds)
    return Services(
        pool=pool,
        redis=redis,
        clock=clock,
        signer=signer,
        users=Users(pool),
        accounts=accounts,
        tokens=tokens,
        keys=Idempotency(pool),
        reads=reads,
        positions=positions,
        answers=AnswerCache(redis, settings.key_prefix, settings.cache_seconds, positions),
        letters=Letters(pool),
        waiters=Waiters(redis, settings.key_prefix),
        publisher=publisher,
        coalescer=Coalescer(
            publisher,
            clock,
            chunk_rows=settings.chunk_rows,
            unconfirmed_chunks=settings.unconfirmed_chunks,
            lanes=settings.lanes,
            gather_seconds=settings.gather_seconds,
            pending_rows=settings.pending_rows,
        ),
        intake=Intake(_BODY_BYTES),
        owners=Owners(accounts, settings.account_cache_size),
        holders=TokenHolders(tokens, settings.token_cache_seconds),
        limits=Limits(redis, settings.key_prefix, settings.rate_limit, settings.rate_limit_seconds),
        months=Months(pool),
        categories=Categories(partial(read_taxonomy, reads)),
    )


async def _ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
