"""Users, accounts and tokens: made once, used, revoked, erased."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from uuid import UUID, uuid4

import asyncpg
import msgspec

from api.routes import ROUTES
from pipeline.access.tokens import Tokens
from tests.support.raw_client import RawClient, purchase

Account = dict[str, str]
ClientOf = Callable[..., Awaitable[RawClient]]


async def test_a_token_that_was_in_use_is_refused_soon_after_its_revocation(
    client_of: ClientOf, pool: asyncpg.Pool
) -> None:
    used = await client_of("read")
    assert (await used.get("/v1/taxonomy")).status == 200
    await Tokens(pool).revoke_token(used.token_id)
    tries = 0
    while (await used.get("/v1/taxonomy")).status == 200:
        tries += 1
        assert tries < 20_000
    last_used = [row["last_used_at"] for row in await Tokens(pool).list_tokens()]
    assert any(last_used)


async def test_the_apps_token_reads_and_pushes_its_own_user_only(
    client: RawClient, account: Account
) -> None:
    # Given
    user = f"/v1/users/{account['user_id']}"
    wanted = {"scopes": ["read", "ingest"], "expires_in": 60}
    made = await client.post(f"{user}/tokens", wanted)
    assert made.status == 201
    assert made.body.keys() == {"token", "expires_at"}
    app = client
    app.headers = {"Authorization": f"Bearer {made.body['token']}"}
    # When
    receipt = await app.push(purchase(account))
    # Then
    assert receipt.body["added"] == 1
    assert (await app.get(f"{user}/transactions")).status == 200
    assert (await app.ask("DELETE", user)).status == 403


async def test_an_app_token_cannot_manage(client: RawClient, account: Account) -> None:
    url = f"/v1/users/{account['user_id']}/tokens"
    for scopes in (["manage"], ["admin"], [], ["read", "root"]):
        assert (await client.post(url, {"scopes": scopes})).status == 422


async def test_users_and_accounts_are_made_once(client: RawClient) -> None:
    external = uuid4().hex
    first = await client.post("/v1/users", {"external_id": external})
    again = await client.post("/v1/users", {"external_id": external})
    assert (first.status, again.status) == (201, 200)
    assert first.body == again.body
    assert first.body == {
        "user_id": first.body["user_id"], "external_id": external, "position": 0,
    }  # fmt: skip
    wanted = {"user_id": first.body["user_id"], "external_id": "card", "currency": "GBP"}
    made = await client.post("/v1/accounts", wanted)
    found = await client.post("/v1/accounts", wanted)
    assert (made.status, found.status) == (201, 200)
    assert made.body == found.body
    listed = await client.get(f"/v1/users/{first.body['user_id']}/accounts")
    assert listed.body == {"accounts": [made.body]}
    anonymous = await client.post("/v1/users", {})
    assert (anonymous.status, anonymous.body["external_id"]) == (201, None)


async def test_an_erased_user_is_gone(
    client: RawClient, account: Account, pool: asyncpg.Pool
) -> None:
    # Given
    await client.push(purchase(account))
    user = f"/v1/users/{account['user_id']}"
    # When
    erased = await client.ask("DELETE", user)
    # Then
    assert (erased.status, erased.body) == (204, None)
    for rest in ("", "/accounts", "/transactions", "/transactions/sync", "/insights/spending"):
        assert (await client.get(user + rest)).status == 404
    assert (await client.ask("DELETE", user)).status == 404
    pushed = await client.post("/v1/transactions", {"transactions": [purchase(account)]})
    assert pushed.status == 422
    left = await pool.fetchval(
        "SELECT count(*) FROM transactions WHERE user_id = $1", UUID(account["user_id"])
    )
    assert left == 0


async def test_every_unknown_path_and_method_is_a_problem(client: RawClient) -> None:
    nowhere = await client.get("/v1/nowhere")
    wrong = await client.ask("PATCH", "/v1/users")
    for answer, status in ((nowhere, 404), (wrong, 405)):
        assert answer.status == answer.body["status"] == status
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.body.keys() >= {"type", "title", "status", "detail", "request_id"}
    assert wrong.headers["Allow"] == "POST"


async def test_ids_that_cannot_be_are_not_found(client: RawClient) -> None:
    for path in (
        "/v1/users/me",
        "/v1/users/%00",
        "/v1/ingests/x",
        f"/v1/users/{uuid4()}/transactions",
        f"/v1/users/{uuid4()}/transactions/{uuid4()}",
        f"/v1/users/{uuid4()}/insights/spending",
    ):
        assert (await client.get(path)).status == 404, path


async def test_the_document_describes_every_route(client: RawClient) -> None:
    document = (await client.get("/openapi.json")).body
    described = {(method.upper(), path) for path, of in document["paths"].items() for method in of}
    assert described == {(route.method, route.path) for route in ROUTES}
    assert msgspec.json.encode(document)
