"""What operators and load balancers ask: whether the process runs, is ready, and its version."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from importlib.metadata import version as installed_version
from typing import Final, Literal

from aiohttp import web
from msgspec import Struct

from api.http.answers import answer_json
from api.http.problems import Fault, NotReady
from api.lookups import MONTHS
from api.services import CLOCK, DEAD_LETTERS, DRAINING, POOL, PUBLISHER, REDIS
from pipeline.cache.connection import REDIS_AWAY
from pipeline.database.pool import is_writable, translate_errors
from pipeline.errors import SpendlineError, StoreUnavailable

_CHECK_SECONDS: Final = 2.0
_DAYS_AHEAD: Final = 2
_MANY_DEAD_LETTERS: Final = 20  # within a minute
_OK: Final = "ok"


class Alive(Struct):
    status: Literal["alive"]


class Ready(Struct):
    """The process can serve. It is `degraded` while Redis is away or many dead letters arrive.

    Dead letters do not make the process unready, since one client's bad rows must not stop all
    others. The receipt of an ingest says whether its rows failed.
    """

    status: Literal["ready", "degraded"]
    parts: dict[str, str]


class Version(Struct):
    version: str


async def show_liveness(_: web.Request) -> web.Response:
    return answer_json(Alive("alive"))


async def show_readiness(request: web.Request) -> web.Response:
    """Answer 200, or raise NotReady with a fault for every part that fails."""
    app = request.app
    postgres, redis, months, dead_letters = await asyncio.gather(
        _check_postgres(app), _check_redis(app), _check_months(app), _check_dead_letters(app)
    )
    needed = {
        "postgres": postgres,
        "partitions": months,
        "broker": app[PUBLISHER].trouble or _OK,
        "process": "draining" if app[DRAINING].is_set() else _OK,
    }
    faults = [Fault(f"/parts/{name}", state) for name, state in needed.items() if state != _OK]
    if faults:
        raise NotReady(faults)
    useful = {"redis": redis, "dead_letters": dead_letters}
    is_well = set(useful.values()) == {_OK}
    return answer_json(Ready("ready" if is_well else "degraded", needed | useful))


async def show_version(_: web.Request) -> web.Response:
    return answer_json(Version(installed_version("spendline")))


async def _check_postgres(app: web.Application) -> str:
    try:
        async with asyncio.timeout(_CHECK_SECONDS), translate_errors():
            writable = await is_writable(app[POOL])
    except (StoreUnavailable, TimeoutError) as error:
        return _describe_failure(error)
    return _OK if writable else "PostgreSQL is read-only"


async def _check_redis(app: web.Application) -> str:
    try:
        await app[REDIS].ping()
    except REDIS_AWAY as error:
        return f"Redis: {type(error).__name__}"
    return _OK


async def _check_dead_letters(app: web.Application) -> str:
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            count = await app[DEAD_LETTERS].count_recent(_MANY_DEAD_LETTERS)
    except (SpendlineError, TimeoutError) as error:
        return _describe_failure(error)
    return _OK if count < _MANY_DEAD_LETTERS else f"{count} or more in the last minute"


async def _check_months(app: web.Application) -> str:
    soon = app[CLOCK].now().date() + timedelta(days=_DAYS_AHEAD)
    try:
        async with asyncio.timeout(_CHECK_SECONDS):
            managed = await app[MONTHS].find_range([soon])
    except (SpendlineError, TimeoutError) as error:
        return _describe_failure(error)
    return _OK if soon in managed else f"no partition ahead of {managed.last}"


def _describe_failure(error: Exception) -> str:
    return str(error) or "PostgreSQL: no answer in time"
