"""What handlers work with: opened once by the composition root, found in the application."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeVar
from uuid import UUID

import asyncpg
import msgspec
from aiohttp import web
from redis.asyncio import Redis

from api.http.bodies import Intake
from api.http.problems import Fault, Invalid, NotFound, Unauthenticated
from api.http.rate_limits import Limits, Quota
from api.ingest.coalesce import Coalescer
from api.lookups import Categories, Months, Owners, TokenHolders
from pipeline.access.accounts import Accounts
from pipeline.access.idempotency import Idempotency
from pipeline.access.tokens import Principal, Tokens
from pipeline.access.users import Users
from pipeline.cache.answers import AnswerCache
from pipeline.cache.events import Waiters
from pipeline.cache.positions import PositionCache
from pipeline.database.clock import Clock
from pipeline.observe.logs import Pushed
from pipeline.queue.publisher import Publisher
from pipeline.reads.source import ReadSource
from pipeline.store.dead_letters import Letters
from pipeline.transactions.ticket import Signer

T = TypeVar("T")


@dataclass(slots=True)
class Health:
    """Whether this process is leaving."""

    draining: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """One of each a process."""

    pool: asyncpg.Pool
    redis: Redis
    clock: Clock
    signer: Signer
    users: Users
    accounts: Accounts
    tokens: Tokens
    keys: Idempotency
    reads: ReadSource
    letters: Letters
    positions: PositionCache
    answers: AnswerCache
    waiters: Waiters
    publisher: Publisher
    coalescer: Coalescer
    intake: Intake
    owners: Owners
    holders: TokenHolders
    limits: Limits
    months: Months
    categories: Categories
    health: Health = field(default_factory=Health)


SERVICES = web.AppKey("services", Services)
PRINCIPAL = web.RequestKey("principal", Principal)
QUOTA = web.RequestKey("quota", Quota)
REQUEST_ID = web.RequestKey("request_id", str)
INGEST = web.RequestKey("ingest", Pushed)


def services(request: web.Request) -> Services:
    return request.app[SERVICES]


def caller(request: web.Request) -> Principal:
    return request[PRINCIPAL]


def bearer(request: web.Request) -> str:
    """The token that the request carries, unchecked."""
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer" or not token:
        raise Unauthenticated("send `Authorization: Bearer <token>`")
    return token.strip()


def actor(request: web.Request) -> str:
    """The caller's name in the audit log."""
    return f"token {caller(request).token_id}"


def path_uuid(request: web.Request, name: str) -> UUID:
    """An id of ours in the path; whatever cannot be one does not exist."""
    try:
        return UUID(request.match_info[name])
    except ValueError:
        raise NotFound("there is nothing under this id") from None


def user_in_path(request: web.Request) -> UUID:
    return path_uuid(request, "user_id")


def known(value: T | None) -> T:
    """The value, or NotFound for None."""
    if value is None:
        raise NotFound("there is nothing under this id")
    return value


def read_query(request: web.Request, kind: type[T]) -> T:
    """The query of the URL as a Struct; every parameter at most once and none unknown."""
    given = dict(request.query)
    if len(given) < len(request.query):
        raise Invalid([Fault("", "a parameter is given twice")])
    try:
        return msgspec.convert(given, kind, strict=False)
    except msgspec.ValidationError as error:
        detail, _, path = str(error).partition(" - at `$.")
        raise Invalid([Fault(f"/{path.rstrip('`')}" if path else "", detail)]) from None


def answer(value: object, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """A JSON response."""
    return web.Response(
        status=status,
        body=msgspec.json.encode(value),
        content_type="application/json",
        headers=headers,
    )
