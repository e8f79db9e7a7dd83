"""The table of routes: the router, the authorization and the OpenAPI document are made from it.

A new route is one entry here. The entry says what makes it safe: its scopes, and how a token
that is bound to one user is held to that user. Its name stays when its handler moves.
"""

from __future__ import annotations

from typing import Any, Final

from api.http import openapi
from api.http.routing import Binding, Handler, Route
from api.ingest import push, receipts
from api.resources import accounts, health, taxonomy, users
from api.resources.insights import spending
from api.resources.insights.period import PeriodQuery
from api.resources.transactions import explained, feed, sync
from api.wire import Batch
from pipeline.access.tokens import SCOPES


def _route(
    name: str,
    endpoint: str,
    scopes: str | None,
    binding: Binding,
    handler: Handler,
    **more: Any,
) -> Route:
    method, path = endpoint.split()
    return Route(
        name=name,
        method=method,
        path=path,
        scopes=None if scopes is None else frozenset(scopes.split()),
        binding=binding,
        handler=handler,
        **more,
    )


_ANY: Final = " ".join(SCOPES)
_USER: Final = "/v1/users/{user_id}"

ROUTES: Final = (
    _route(
        "users.create", "POST /v1/users", "manage", Binding.UNBOUND, users.create_user,
        summary="Create a user, or return the one with this external id",
        answers={201: users.User, 200: users.User}, request=users.NewUser,
    ),
    _route(
        "users.show", f"GET {_USER}", "manage", Binding.PATH, users.show_user,
        summary="Show one user", answers={200: users.User},
    ),
    _route(
        "users.erase", f"DELETE {_USER}", "manage", Binding.PATH, users.erase_user,
        summary="Erase all data of a user", answers={204: None},
    ),
    _route(
        "users.create_token", f"POST {_USER}/tokens", "manage", Binding.PATH, users.create_token,
        summary="Create a token bound to this user", answers={201: users.UserToken}, request=users.NewUserToken,
    ),
    _route(
        "accounts.create", "POST /v1/accounts", "manage", Binding.BODY, accounts.create_account,
        summary="Create an account, or return the user's account with this external id",
        answers={201: accounts.Account, 200: accounts.Account}, request=accounts.NewAccount,
    ),
    _route(
        "accounts.index", f"GET {_USER}/accounts", "read", Binding.PATH, accounts.list_accounts,
        summary="List the accounts of a user", answers={200: accounts.AccountList},
    ),
    _route(
        "ingest.push", "POST /v1/transactions", "ingest", Binding.BODY, push.push_transactions,
        summary="Push transactions and removals; the answer comes once the broker has them",
        answers={202: push.Accepted}, request=Batch, media=("application/json", "application/x-ndjson"),
    ),
    _route(
        "ingests.show", "GET /v1/ingests/{ingest_id}", "ingest", Binding.TICKET, receipts.show_receipt,
        summary="Show what became of a push, at once or as soon as it is stored",
        answers={200: receipts.IngestStatus}, query=receipts.ReceiptQuery,
    ),
    _route(
        "transactions.feed", f"GET {_USER}/transactions", "read", Binding.PATH, feed.show_feed,
        summary="Show the feed by pages, newest first",
        answers={200: feed.FeedPage}, query=feed.FeedQuery, versioned=True,
    ),
    _route(
        "transactions.sync", f"GET {_USER}/transactions/sync", "read", Binding.PATH, sync.show_changes,
        summary="List what changed since a cursor; without one, everything",
        answers={200: sync.SyncPage}, query=sync.SyncQuery, versioned=True,
    ),
    _route(
        "transactions.show", f"GET {_USER}/transactions/{{id}}", "read", Binding.PATH, explained.show_transaction,
        summary="Show one transaction and what decided its category", answers={200: explained.ExplainedItem},
        versioned=True,
    ),
    _route(
        "insights.spending", f"GET {_USER}/insights/spending", "read", Binding.PATH, spending.show_spending,
        summary="Sum up the spending of a month or of a range of dates",
        answers={200: spending.SpendingInsight}, query=PeriodQuery, versioned=True,
    ),
    _route(
        "taxonomy.index", "GET /v1/taxonomy", _ANY, Binding.NO_USER, taxonomy.list_categories,
        summary="List the categories", answers={200: taxonomy.Taxonomy},
    ),
    _route(
        "health.live", "GET /livez", None, Binding.NO_USER, health.show_liveness,
        summary="Show that the process runs, without asking any server", answers={200: health.Alive},
    ),
    _route(
        "health.ready", "GET /readyz", None, Binding.NO_USER, health.show_readiness,
        summary="Show whether the system can do its work, and which part cannot", answers={200: health.Ready},
    ),
    _route(
        "health.show_version", "GET /version", None, Binding.NO_USER, health.show_version,
        summary="Show the version that runs", answers={200: health.Version},
    ),
    _route(
        "openapi.show", "GET /openapi.json", None, Binding.NO_USER, openapi.show_document,
        summary="Show this document", answers={200: None},
    ),
)  # fmt: skip
