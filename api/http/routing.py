"""What a route is, and which route a request has matched.

The router, the authorization and the OpenAPI document are made from a table of routes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Final

from aiohttp import web
from msgspec import Struct

from api.http.protocol import continue_request

Handler = Callable[[web.Request], Awaitable[web.Response]]


class Binding(Enum):
    """How a token bound to one user is kept from the data of others."""

    NO_USER = "it shows nothing of any user"
    UNBOUND = "403 for any bound token: it is about all users"
    PATH = "404 unless {user_id} is the bound user"
    BODY = "422, as unknown, for what the body names of others"
    TICKET = "404 unless every row of the ingest is of the bound user"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One method of one path.

    `name` is the operation in the OpenAPI document, in logs and in metrics. `answers` maps a
    status to the Struct of its body. One of `scopes` suffices; with None no token is needed.
    """

    name: str
    method: str
    path: str
    scopes: frozenset[str] | None
    binding: Binding
    handler: Handler
    summary: str
    answers: dict[int, type[Struct] | None]
    request: type[Struct] | None = None
    media: tuple[str, ...] = ("application/json",)
    query: type[Struct] | None = None
    versioned: bool = False  # ETag and 304


_TABLE: Final = web.AppKey("table of routes", dict[web.AbstractRoute, Route])


def add_routes(app: web.Application, routes: Iterable[Route]) -> None:
    """Make the router of the application serve these routes, and no others."""
    add = app.router.add_route
    app[_TABLE] = {
        add(route.method, route.path, route.handler, expect_handler=continue_request): route
        for route in routes
    }


def find_route(request: web.Request) -> Route | None:
    """Return the route that the request has matched; None for an unknown path or method."""
    return request.app[_TABLE].get(request.match_info.route)
