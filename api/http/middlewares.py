"""What happens around every handler: an id, an answer to every error, and who may do what."""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Final
from uuid import UUID, uuid4

from aiohttp import web

from api.dependencies import INGEST, PRINCIPAL, QUOTA, REQUEST_ID, SERVICES, bearer
from api.http.problems import Forbidden, NotFound, TooMany, Unauthenticated, response_to
from api.routes import Binding, Route, route_of
from pipeline.access.tokens import Principal
from pipeline.observe import logs, tracing
from pipeline.observe import metrics as telemetry

logger = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_CLIENT_ID: Final = re.compile(r"[\w.:-]{1,64}", re.ASCII)
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Server": "spendline",
    "X-Content-Type-Options": "nosniff",
}


@web.middleware
async def trace(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A span around what a token opens: probes would bury the rest. Of the path only the route."""
    route = route_of(request)
    if route is None or route.scopes is None:
        return await handler(request)
    told = {"http.request.method": route.method, "http.route": route.path}
    name = f"{route.method} {route.path}"
    with tracing.span(name, "server", after=request.headers, **told):
        response = await handler(request)
        tracing.note(request_id=request[REQUEST_ID])
        tracing.note(**{"http.response.status_code": response.status})
        if response.status >= 500:
            tracing.note(**{"error.type": str(response.status)})
    return response


@web.middleware
async def answer_always(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request an id, turn whatever is raised into a problem, add the headers."""
    given = request.headers.get("X-Request-ID", "")
    request_id = given if _CLIENT_ID.fullmatch(given) else uuid4().hex
    request[REQUEST_ID] = request_id
    began = perf_counter()
    try:
        response = await handler(request)
    except Exception as error:  # noqa: BLE001 - nothing may end without a problem document
        response = response_to(error, request_id)
        if response.status == 500:
            _log_defect(error, request_id)
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["X-Request-ID"] = request_id
    if QUOTA in request:
        response.headers.update(request[QUOTA].headers)
    _tell(request, response.status, perf_counter() - began)
    if request.app[SERVICES].health.draining:
        response.force_close()
    return response


def _tell(request: web.Request, status: int, seconds: float) -> None:
    """One line and one count a request; of the path only the route, since ids are in it."""
    route = route_of(request)
    name = route.name if route is not None else "none"
    telemetry.request_answered(name, status, seconds)
    logs.request_answered(request[REQUEST_ID], name, status, seconds, request.get(INGEST))


@web.middleware
async def authorize(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let a request through to its handler only as the route's line allows."""
    route = route_of(request)
    if route is not None and route.scopes is not None:
        principal = await _principal(request)
        await _demand_quota(principal, request)
        _demand_scope(route, principal)
        _demand_user(route, principal, request)
        request[PRINCIPAL] = principal
    return await handler(request)


async def _principal(request: web.Request) -> Principal:
    found = request.app[SERVICES]
    principal = await found.holders.holder(bearer(request))
    if principal is None:
        raise Unauthenticated("the token is not valid")
    if principal.expires_at is not None and principal.expires_at <= found.clock.now():
        raise Unauthenticated("the token has expired")
    return principal


async def _demand_quota(principal: Principal, request: web.Request) -> None:
    quota = await request.app[SERVICES].limits.spend(principal.token_id)
    if quota is not None:
        request[QUOTA] = quota
        if quota.exceeded:
            raise TooMany(f"more than {quota.limit} requests in {quota.window} s")


def _demand_scope(route: Route, principal: Principal) -> None:
    if route.scopes is not None and not route.scopes & principal.scopes:
        raise Forbidden(f"the token needs the scope {' or '.join(sorted(route.scopes))}")


def _demand_user(route: Route, principal: Principal, request: web.Request) -> None:
    if principal.user_id is None:
        return
    if route.binding is Binding.UNBOUND:
        raise Forbidden("the token is bound to one user")
    if route.binding is Binding.PATH and not _is(principal.user_id, request.match_info["user_id"]):
        raise NotFound("there is nothing under this id")


def _is(user_id: UUID, text: str) -> bool:
    try:
        return UUID(text) == user_id
    except ValueError:
        return False


def _log_defect(error: Exception, request_id: str) -> None:
    """Where it happened and its kind; the message of an error may quote what was sent."""
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    places = " < ".join(f"{f.filename}:{f.lineno} {f.name}" for f in reversed(frames))
    logger.error("request %s failed: %s at %s", request_id, type(error).__name__, places)
