"""The authorization matrix: every route of the table with every caller that must be refused.

Made from the table of routes and from the document: parameters and fields that can name somebody
else's data are found there by their names. A new route without a right body here fails the test.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from api.http.routing import Binding, Route
from api.routes import ROUTES
from pipeline.access.tokens import SCOPES, Tokens
from tests.support.raw_client import Answer, RawClient, purchase

Account = dict[str, str]
ClientOf = Callable[..., Awaitable[RawClient]]
Pointer = tuple[str | int, ...]
GUARDED = [route for route in ROUTES if route.scopes is not None]
HEADERS = {
    "no token": "",
    "another scheme": "Basic dGVzdDp0ZXN0",
    "an empty token": "Bearer",
    "an unknown token": "Bearer nonsense",
    "a token without algorithm": "Bearer eyJhbGciOiJub25lIn0.e30.",
}


@dataclass(frozen=True)
class Person:
    """A user with data, and what names each part of it."""

    account: Account
    ingest_id: str
    transaction_id: str
    cursors: Mapping[str, str]

    @classmethod
    async def with_data(cls, client: RawClient) -> Person:
        account = await client.new_account(f"person-{uuid4().hex}")
        receipt = await client.push(*(purchase(account) for _ in range(3)))
        feed = f"/v1/users/{account['user_id']}/transactions"
        page = await client.get(feed, limit=1)
        changes = await client.get(f"{feed}/sync", limit=1)
        cursors = {
            "transactions.feed": page.body["next_cursor"],
            "transactions.sync": changes.body["next_cursor"],
        }
        found = page.body["transactions"][0]["id"]
        return cls(account, receipt.body["ingest_id"], found, cursors)

    def names(self, route: Route) -> dict[str, str]:
        """What stands for this person wherever a route takes a name."""
        mine = {"ingest_id": self.ingest_id, "id": self.transaction_id} | self.account
        return mine | {"cursor": self.cursors.get(route.name, "")}

    def path(self, route: Route) -> str:
        return route.path.format(**self.names(route))

    def body(self, route: Route) -> Any:
        """A right body of the route, about this person; None: it takes none."""
        if route.request is None:
            return None
        ids = {name: self.account[name] for name in ("user_id", "account_id")}
        removal = {"account_id": ids["account_id"], "transaction_id": "x"}
        return {
            "users.create": {"external_id": uuid4().hex},
            "users.create_token": {"scopes": ["read"]},
            "accounts.create": {
                "user_id": ids["user_id"], "external_id": "x", "currency": "GBP",
            },
            "ingest.push": {"transactions": [purchase(self.account)], "removed": [removal]},
        }[route.name]  # fmt: skip


@dataclass(frozen=True)
class Cell:
    """One request that must be refused, and how."""

    route: Route
    what: str
    client: RawClient
    status: int
    path: str
    body: Any = None
    query: dict[str, str] = field(default_factory=dict)

    async def ask(self) -> Answer:
        if self.body is not None:
            return await self.client.post(self.path, self.body)
        return await self.client.ask(self.route.method, self.path, params=self.query)


def cells_of_headers(victim: Person, clients: Mapping[str, RawClient]) -> Iterator[Cell]:
    """Without a token that is valid nothing is answered."""
    for route in GUARDED:
        for what, client in clients.items():
            yield Cell(route, what, client, 401, victim.path(route), victim.body(route))


def cells_of_scopes(victim: Person, clients: Mapping[str, RawClient]) -> Iterator[Cell]:
    """One scope alone opens only the routes that name it."""
    for route in GUARDED:
        for scope in sorted(set(SCOPES) - (route.scopes or set())):
            what = f"only the scope {scope}"
            yield Cell(route, what, clients[scope], 403, victim.path(route), victim.body(route))


def cells_of_paths(victim: Person, stranger: Person, bound: RawClient) -> Iterator[Cell]:
    """Every id of the path in turn, and all at once, is the victim's."""
    for route in GUARDED:
        if route.binding is Binding.UNBOUND:
            yield Cell(route, "a bound token", bound, 403, route.path, stranger.body(route))
        mine, theirs = stranger.names(route), victim.names(route)
        taken = [name for name in theirs if f"{{{name}}}" in route.path]
        for names in dict.fromkeys([*((name,) for name in taken), tuple(taken)]):
            if names:
                path = route.path.format(**mine | {name: theirs[name] for name in names})
                what = f"the victim's {' and '.join(names)} in the path"
                yield Cell(route, what, bound, 404, path, stranger.body(route))


def cells_of_bodies(victim: Person, stranger: Person, bound: RawClient) -> Iterator[Cell]:
    """Every field that names a user or an account names the victim's."""
    for route in GUARDED:
        for pointer in pointers(stranger.body(route)):
            if pointer and pointer[-1] in {"user_id", "account_id"}:
                body = replaced(stranger.body(route), pointer, victim.account[str(pointer[-1])])
                what = f"the victim's {'/'.join(map(str, pointer))} in the body"
                yield Cell(route, what, bound, 422, stranger.path(route), body)


def cells_of_cursors(
    victim: Person, stranger: Person, bound: RawClient, document: Mapping[str, Any]
) -> Iterator[Cell]:
    """A cursor of the victim's opens nothing of anybody's."""
    for route in GUARDED:
        if "cursor" in parameters(document, route):
            query = {"cursor": victim.cursors[route.name]}
            what = "the victim's cursor"
            yield Cell(route, what, bound, 422, stranger.path(route), query=query)
            path = victim.path(route)
            yield Cell(route, f"{what} and path", bound, 404, path, query=query)


def parameters(document: Mapping[str, Any], route: Route) -> set[str]:
    operation = document["paths"][route.path][route.method.lower()]
    return {p["name"] for p in operation["parameters"] if p["in"] == "query"}


def pointers(value: Any, above: Pointer = ()) -> Iterator[Pointer]:
    """The places of all leaves."""
    if not isinstance(value, dict | list):
        yield above
    else:
        for step, below in value.items() if isinstance(value, dict) else enumerate(value):
            yield from pointers(below, (*above, step))


def replaced(value: Any, pointer: Pointer, leaf: str) -> Any:
    whole = deepcopy(value)
    place = whole
    for step in pointer[:-1]:
        place = place[step]
    place[pointer[-1]] = leaf
    return whole


@pytest.fixture
async def victim(client: RawClient) -> Person:
    return await Person.with_data(client)


@pytest.fixture
async def stranger(client: RawClient) -> Person:
    return await Person.with_data(client)


@pytest.fixture
async def invalid(
    client_of: ClientOf, client: RawClient, pool: asyncpg.Pool
) -> dict[str, RawClient]:
    """Callers without a valid token, by what is wrong with theirs."""
    tokens, callers = Tokens(pool), {}
    for what, header in HEADERS.items():
        callers[what] = await client_of()
        callers[what].headers = {"Authorization": header} if header else {}
    callers["a revoked token"] = await client_of()
    await tokens.revoke_token(callers["a revoked token"].token_id)
    old = await tokens.create_token("old", SCOPES, expires_in=timedelta(seconds=-1))
    assert old is not None
    callers["an expired token"] = await client_of()
    callers["an expired token"].headers = {"Authorization": f"Bearer {old.text}"}
    return callers


async def test_every_cell_of_the_matrix_is_refused(
    client: RawClient,
    client_of: ClientOf,
    *,
    victim: Person,
    stranger: Person,
    invalid: dict[str, RawClient],
    capsys: pytest.CaptureFixture[str],
) -> None:
    # Given
    document = (await client.get("/openapi.json")).body
    scoped = {scope: await client_of(scope) for scope in SCOPES}
    bound = await client_of(*SCOPES, user_id=stranger.account["user_id"])
    before = await state_of(client, victim)
    cells = [
        *cells_of_headers(victim, invalid),
        *cells_of_scopes(victim, scoped),
        *cells_of_paths(victim, stranger, bound),
        *cells_of_bodies(victim, stranger, bound),
        *cells_of_cursors(victim, stranger, bound, document),
    ]
    # When
    answers = [(cell, await cell.ask()) for cell in cells]
    # Then
    wrong = [
        f"{cell.route.name}, {cell.what}: {answer.status} instead of {cell.status}"
        for cell, answer in answers
        if answer.status != cell.status
    ]
    assert not wrong, "\n".join(wrong)
    for cell, answer in answers:
        assert answer.headers["Content-Type"] == "application/problem+json", cell
        assert (answer.headers.get("WWW-Authenticate") == "Bearer") == (cell.status == 401)
    assert {cell.route.name for cell in cells} == {route.name for route in GUARDED}
    assert await state_of(client, victim) == before
    with capsys.disabled():
        print(f"\nauthorization matrix: {len(cells)} cells, all refused")  # noqa: T201


async def test_a_query_that_names_the_victims_data_finds_nothing(
    client: RawClient, client_of: ClientOf, victim: Person, stranger: Person
) -> None:
    # Given
    document = (await client.get("/openapi.json")).body
    bound = await client_of(*SCOPES, user_id=stranger.account["user_id"])
    naming = [route for route in GUARDED if "account_id" in parameters(document, route)]
    # When
    answers = [
        await bound.get(stranger.path(route), account_id=victim.account["account_id"])
        for route in naming
    ]
    # Then
    assert naming
    for answer in answers:
        assert (answer.status, answer.body["transactions"]) == (200, [])


async def test_the_table_and_the_document_name_the_same_scopes(client: RawClient) -> None:
    document = (await client.get("/openapi.json")).body
    for route in ROUTES:
        operation = document["paths"][route.path][route.method.lower()]
        assert ("security" in operation) == (route.scopes is not None), route.name
        assert operation.get("x-scopes", []) == sorted(route.scopes or ()), route.name


async def state_of(client: RawClient, person: Person) -> Any:
    """All that a stranger could have changed."""
    user = f"/v1/users/{person.account['user_id']}"
    paths = (user, f"{user}/accounts", f"{user}/transactions")
    return [(await client.get(path)).body for path in paths]
