"""The table of routes: the router, the authorization and the OpenAPI document are made from it.

A new route is one line here. What it needs to be safe is in the line: its scopes, and how a
token that is bound to one user is held to that user.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from aiohttp import web
from msgspec import Struct

from api.http import openapi
from api.http.protocol import expect
from api.ingest import push as ingest
from api.ingest import receipts as ingests
from api.resources import accounts, health, insights, taxonomy, transactions, users
from api.wire import Batch
from pipeline.access.tokens import SCOPES

Handler = Callable[[web.Request], Awaitable[web.Response]]


class Binding(Enum):
    """How a token bound to one user is kept from the data of others."""

    NO_USER = "nothing of any user is behind it"
    UNBOUND = "403 for any bound token: it is about all users"
    PATH = "404 unless {user_id} is the bound user"
    BODY = "422, as unknown, for what the body names of others"
    TICKET = "404 unless the ingest is of the bound user alone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One method of one path. `scopes`: any of them suffices; None: no token is needed."""

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

    @property
    def name(self) -> str:
        """The operation: `users.create`."""
        handler: Any = self.handler
        return f"{handler.__module__.rpartition('.')[2]}.{handler.__name__}"


_TABLE: Final = web.AppKey("table of routes", dict[web.AbstractRoute, Route])


def add_routes(app: web.Application, routes: Iterable[Route]) -> None:
    """Let the router of the application serve these routes, and no others."""
    add = app.router.add_route
    app[_TABLE] = {
        add(route.method, route.path, route.handler, expect_handler=expect): route
        for route in routes
    }


def route_of(request: web.Request) -> Route | None:
    """The route that the request has matched, or None for a path or method that there is not."""
    return request.app[_TABLE].get(request.match_info.route)


def _route(
    endpoint: str,
    scopes: str | None,
    binding: Binding,
    handler: Handler,
    summary: str,
    **more: Any,
) -> Route:
    method, path = endpoint.split()
    return Route(
        method=method,
        path=path,
        scopes=None if scopes is None else frozenset(scopes.split()),
        binding=binding,
        handler=handler,
        summary=summary,
        **more,
    )


_ANY: Final = " ".join(SCOPES)
_USER: Final = "/v1/users/{user_id}"

ROUTES: Final = (
    _route(
        "POST /v1/users", "manage", Binding.UNBOUND, users.create,
        "Create a user, or find the one with this external id",
        answers={201: users.User, 200: users.User}, request=users.NewUser,
    ),
    _route(
        f"GET {_USER}", "manage", Binding.PATH, users.show,
        "One user", answers={200: users.User},
    ),
    _route(
        f"DELETE {_USER}", "manage", Binding.PATH, users.erase,
        "Erase everything of a user", answers={204: None},
    ),
    _route(
        f"POST {_USER}/tokens", "manage", Binding.PATH, users.create_token,
        "A token bound to this user", answers={201: users.UserToken}, request=users.NewUserToken,
    ),
    _route(
        "POST /v1/accounts", "manage", Binding.BODY, accounts.create,
        "Create an account, or find the user's one with this external id",
        answers={201: accounts.Account, 200: accounts.Account}, request=accounts.NewAccount,
    ),
    _route(
        f"GET {_USER}/accounts", "read", Binding.PATH, accounts.index,
        "The accounts of a user", answers={200: accounts.AccountList},
    ),
    _route(
        "POST /v1/transactions", "ingest", Binding.BODY, ingest.push,
        "Push transactions and removals; answered once the broker has them",
        answers={202: ingest.Accepted}, request=Batch, media=("application/json", "application/x-ndjson"),
    ),
    _route(
        "GET /v1/ingests/{ingest_id}", "ingest", Binding.TICKET, ingests.show,
        "What became of a push, at once or when it is stored",
        answers={200: ingests.IngestStatus}, query=ingests.ReceiptQuery,
    ),
    _route(
        f"GET {_USER}/transactions", "read", Binding.PATH, transactions.feed,
        "The feed by pages, newest first",
        answers={200: transactions.FeedPage}, query=transactions.FeedQuery, versioned=True,
    ),
    _route(
        f"GET {_USER}/transactions/sync", "read", Binding.PATH, transactions.sync,
        "What changed since a cursor; without one, everything",
        answers={200: transactions.SyncPage}, query=transactions.SyncQuery, versioned=True,
    ),
    _route(
        f"GET {_USER}/transactions/{{id}}", "read", Binding.PATH, transactions.show,
        "One transaction and what decided its category", answers={200: transactions.ExplainedItem},
        versioned=True,
    ),
    _route(
        f"GET {_USER}/insights/spending", "read", Binding.PATH, insights.spending,
        "What the money of a month, or of a range of dates, went on",
        answers={200: insights.SpendingInsight}, query=insights.SpendingQuery, versioned=True,
    ),
    _route(
        "GET /v1/taxonomy", _ANY, Binding.NO_USER, taxonomy.index,
        "The categories", answers={200: taxonomy.Taxonomy},
    ),
    _route(
        "GET /livez", None, Binding.NO_USER, health.live,
        "Whether the process runs; touches nothing", answers={200: health.Alive},
    ),
    _route(
        "GET /readyz", None, Binding.NO_USER, health.ready,
        "Whether the system can do its work; names the part that cannot", answers={200: health.Ready},
    ),
    _route(
        "GET /version", None, Binding.NO_USER, health.show_version,
        "The version that runs", answers={200: health.Version},
    ),
    _route(
        "GET /openapi.json", None, Binding.NO_USER, openapi.show,
        "This document", answers={200: None},
    ),
)  # fmt: skip
