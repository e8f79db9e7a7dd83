"""What happens around every handler: a span, an id, an answer to every error, a line in the log."""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Final
from uuid import uuid4

from aiohttp import web

from api.http.problems import render_problem
from api.http.rate_limits import QUOTA
from api.http.requests import PUSHED, REQUEST_ID
from api.http.routing import find_route
from api.services import DRAINING
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
async def trace_request(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Record a span around a request that needs a token; probes are too many to be of use.

    The span names the route and never the path, since ids are in it.
    """
    route = find_route(request)
    if route is None or route.scopes is None:
        return await handler(request)
    attributes = {"http.request.method": route.method, "http.route": route.path}
    name = f"{route.method} {route.path}"
    with tracing.open_span(name, "server", after=request.headers, **attributes):
        response = await handler(request)
        tracing.add_attributes(request_id=request[REQUEST_ID])
        tracing.add_attributes(**{"http.response.status_code": response.status})
        if response.status >= 500:
            tracing.add_attributes(**{"error.type": str(response.status)})
    return response


@web.middleware
async def answer_always(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Give the request an id, turn every exception into a problem document, add the headers."""
    client_id = request.headers.get("X-Request-ID", "")
    request_id = client_id if _CLIENT_ID.fullmatch(client_id) else uuid4().hex
    request[REQUEST_ID] = request_id
    began = perf_counter()
    try:
        response = await handler(request)
    except Exception as error:  # noqa: BLE001 - every request ends with a problem document
        response = render_problem(error, request_id)
        if response.status == 500:
            _log_defect(error, request_id)
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["X-Request-ID"] = request_id
    if QUOTA in request:
        response.headers.update(request[QUOTA].headers)
    _record_request(request, response.status, perf_counter() - began)
    if request.app[DRAINING].is_set():
        response.force_close()
    return response


def _record_request(request: web.Request, status: int, seconds: float) -> None:
    """Write one line and one count; they name the route and never the path, which holds ids."""
    route = find_route(request)
    name = route.name if route is not None else "none"
    telemetry.count_request(name, status, seconds)
    logs.log_request(request[REQUEST_ID], name, status, seconds, request.get(PUSHED))


def _log_defect(error: Exception, request_id: str) -> None:
    """Log the kind and the place of an error, not its message, which may quote the request."""
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    places = " < ".join(f"{f.filename}:{f.lineno} {f.name}" for f in reversed(frames))
    logger.error("request %s failed: %s at %s", request_id, type(error).__name__, places)
