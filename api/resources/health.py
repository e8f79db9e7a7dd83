"""What operators and load balancers ask: alive, ready, which version, and what the API is."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from importlib.metadata import version as installed_version
from typing import Final, Literal

from aiohttp import web
from msgspec import Struct

from api.dependencies import Services, answer, services
from api.http.problems import Fault, NotReady
from pipeline.cache.connection import REDIS_AWAY
from pipeline.database.pool import translated
from pipeline.errors import SpendlineError, StoreUnavailable

_CHECK_SECONDS: Final = 2.0
_DAYS_AHEAD: Final = 2
_MANY_LETTERS: Final = 20  # within a minute
_OK: Final = "ok"


class Alive(Struct):
    status: Literal["alive"]


class Ready(Struct):
    """Degraded, but ready: Redis is away and answers come from PostgreSQL, or much is dying.

    One client's bad rows must not take the API from all others: dead letters are told here, and
    the rows that died are named by the status of their ingests.
    """

    status: Literal["ready", "degraded"]
    parts: dict[str, str]


class Version(Struct):
    version: str


async def live(_: web.Request) -> web.Response:
    return answer(Alive("alive"))


async def ready(request: web.Request) -> web.Response:
    """503 names every part that fails."""
    found = services(request)
    postgres, redis, months, letters = await asyncio.gather(
        _postgres(found), _redis(found), _months(found), _letters(found)
    )
    needed = {
        "postgres": postgres,
        "partitions": months,
        "broker": found.publisher.trouble or _OK,
        "process": "draining" if found.health.draining else _OK,
    }
    faults = [Fault(f"/parts/{name}", said) for name, said in needed.items() if said != _OK]
    if faults:
        raise NotReady(faults)
    useful = {"redis": redis, "dead_letters": letters}
    well = set(useful.values()) == {_OK}
    return answer(Ready("ready" if well else "degraded", needed | useful))


async def show_version(_: web.Request) -> web.Response:
    return answer(Version(installed_version("spendline")))


async def _postgres(found: Services) -> str:
    try:
        async with asyncio.timeout(_CHECK_SECONDS), translated():
            writable = await found.pool.fetchval(
                "SELECT current_setting('transaction_read_only') = 'off'"
            )
    except (StoreUnavailable, TimeoutError) as error:
        return str(error) or "PostgreSQL: no answer in time"
    return _OK if writable else "PostgreSQL is read-only"


async def _redis(found: Services) -> str:
    try:
        await found.redis.ping()
    except REDIS_AWAY as error:
        return f"Redis: {type(error).__name__}"
    return _OK


async def _letters(found: Services) -> str:
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            died = await found.letters.recent(_MANY_LETTERS)
    except (SpendlineError, TimeoutError) as error:
        return str(error) or "PostgreSQL: no answer in time"
    return _OK if died < _MANY_LETTERS else f"{died} or more in the last minute"


async def _months(found: Services) -> str:
    soon = found.clock.now().date() + timedelta(days=_DAYS_AHEAD)
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            managed = await found.months.covering([soon])
    except (SpendlineError, TimeoutError) as error:
        return str(error) or "PostgreSQL: no answer in time"
    return _OK if soon in managed else f"no partition ahead of {managed.last}"
