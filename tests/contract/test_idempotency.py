"""A POST that is sent again with its key is answered again and done once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import uuid4

import asyncpg
import pytest

from pipeline.access.idempotency import Idempotency
from pipeline.access.tokens import Tokens
from tests.support.raw_client import Answer, RawClient, purchase

Account = dict[str, str]
ClientOf = Callable[..., Awaitable[RawClient]]
PUSH = "/v1/transactions"


def keyed(key: str | None = None) -> dict[str, str]:
    return {"Idempotency-Key": key or uuid4().hex}


async def died(pool: asyncpg.Pool, key: str, lease: timedelta) -> None:
    """As if the process had ended before it answered."""
    done = await pool.execute(
        "UPDATE idempotency SET answer = NULL, lease_until = now() + $2 WHERE key = $1", key, lease
    )
    assert done == "UPDATE 1"


async def test_the_same_push_again_has_the_same_receipt(
    client: RawClient, account: Account
) -> None:
    # Given
    headers, body = keyed(), {"transactions": [purchase(account)]}
    # When
    first = await client.post(PUSH, body, headers)
    again = await client.post(PUSH, body, headers)
    # Then
    assert first.status == again.status == 202
    assert first.body == again.body
    assert first.headers["Location"] == again.headers["Location"]
    assert first.headers["Content-Type"] == again.headers["Content-Type"]
    assert ("Idempotency-Replayed" in first.headers, again.headers["Idempotency-Replayed"]) == (
        False, "true",
    )  # fmt: skip


async def test_every_post_keeps_its_answer(client: RawClient, account: Account) -> None:
    user = account["user_id"]
    for path, body in (
        ("/v1/users", {}),
        ("/v1/accounts", {"user_id": user, "external_id": uuid4().hex, "currency": "GBP"}),
        (f"/v1/users/{user}/tokens", {"scopes": ["read"]}),
    ):
        headers = keyed()
        first, again = [await client.post(path, body, headers) for _ in range(2)]
        assert (first.status, first.body) == (again.status, again.body)
        assert first.status == 201


async def test_a_refusal_is_given_again(client: RawClient, account: Account) -> None:
    headers, body = keyed(), {"transactions": [purchase(account, amount="NaN")]}
    first, again = [await client.post(PUSH, body, headers) for _ in range(2)]
    assert first.status == again.status == 422
    assert first.body == again.body


async def test_a_key_stands_for_one_request(client: RawClient, account: Account) -> None:
    # Given
    headers = keyed()
    await client.post("/v1/users", {}, headers)
    # When
    others = [
        await client.post("/v1/users", {"external_id": "another"}, headers),
        await client.post("/v1/accounts", {}, headers),
        await client.post("/v1/users", {}, headers | {"Content-Type": "text/plain"}),
    ]
    # Then
    assert [answer.status for answer in others] == [422] * 3


async def test_of_requests_at_once_one_runs(client: RawClient, account: Account) -> None:
    # Given
    headers, body = keyed(), {"scopes": ["read"]}
    path = f"/v1/users/{account['user_id']}/tokens"
    # When
    answers: list[Answer] = await asyncio.gather(
        *(client.post(path, body, headers) for _ in range(20))
    )
    # Then
    assert {answer.status for answer in answers} <= {201, 409}
    made = {answer.body["token"] for answer in answers if answer.status == 201}
    assert made == {(await client.post(path, body, headers)).body["token"]}


async def test_a_running_request_is_a_conflict_and_a_dead_one_runs_again(
    client: RawClient, pool: asyncpg.Pool
) -> None:
    # Given
    key = uuid4().hex
    first = await client.post("/v1/users", {}, keyed(key))
    # When
    await died(pool, key, timedelta(minutes=1))
    running = await client.post("/v1/users", {}, keyed(key))
    await died(pool, key, timedelta(seconds=-1))
    other = await client.post("/v1/users", {"external_id": "another"}, keyed(key))
    again = await client.post("/v1/users", {}, keyed(key))
    # Then
    assert (running.status, running.headers["Retry-After"]) == (409, "1")
    assert other.status == 422
    assert again.status == 201
    assert again.body != first.body
    assert (await client.post("/v1/users", {}, keyed(key))).body == again.body


async def test_a_key_is_free_after_a_day(client: RawClient, pool: asyncpg.Pool) -> None:
    # Given
    key = uuid4().hex
    first = await client.post("/v1/users", {}, keyed(key))
    await pool.execute(
        "UPDATE idempotency SET created_at = now() - interval '25 hours' WHERE key = $1", key
    )
    # When
    fresh = await client.post("/v1/users", {"external_id": uuid4().hex}, keyed(key))
    # Then
    assert fresh.status == 201
    assert fresh.body != first.body


async def test_upkeep_forgets_what_is_a_day_old(client: RawClient, pool: asyncpg.Pool) -> None:
    old, young = uuid4().hex, uuid4().hex
    for key in (old, young):
        await client.post("/v1/users", {}, keyed(key))
    await pool.execute(
        "UPDATE idempotency SET created_at = now() - interval '25 hours' WHERE key = $1", old
    )
    await Idempotency(pool).delete_old_keys()
    left = await pool.fetch("SELECT key FROM idempotency WHERE key = ANY($1)", [old, young])
    assert [row["key"] for row in left] == [young]


async def test_a_key_is_its_tokens_own(client: RawClient, client_of: ClientOf) -> None:
    headers = keyed()
    mine = await client.post("/v1/users", {}, headers)
    theirs = await (await client_of("manage")).post("/v1/users", {}, headers)
    assert theirs.status == 201
    assert theirs.body != mine.body


async def test_a_revoked_token_is_given_nothing_again(
    client_of: ClientOf, pool: asyncpg.Pool
) -> None:
    headers, manager = keyed(), await client_of("manage")
    assert (await manager.post("/v1/users", {}, headers)).status == 201
    await Tokens(pool).revoke_token(manager.token_id)
    while (again := await manager.post("/v1/users", {}, headers)).status != 401:
        assert again.status == 201


async def test_what_is_kept_tells_nothing_without_the_token(
    client: RawClient, account: Account, pool: asyncpg.Pool
) -> None:
    key = uuid4().hex
    made = await client.post(
        f"/v1/users/{account['user_id']}/tokens", {"scopes": ["read"]}, keyed(key)
    )
    kept = await pool.fetchval("SELECT answer FROM idempotency WHERE key = $1", key)
    assert made.body["token"].encode() not in kept
    assert b"token" not in kept


async def test_an_altered_answer_is_gone_and_its_request_does_not_run_again(
    client: RawClient, account: Account, pool: asyncpg.Pool
) -> None:
    # Given
    path, body, key = f"/v1/users/{account['user_id']}/tokens", {"scopes": ["read"]}, uuid4().hex
    await client.post(path, body, keyed(key))
    count = "SELECT count(*) FROM tokens"
    before = await pool.fetchval(count)
    # When
    await pool.execute(
        "UPDATE idempotency SET answer = set_byte(answer, 20, get_byte(answer, 20) # 1)"
        " WHERE key = $1",
        key,
    )
    again = await client.post(path, body, keyed(key))
    # Then
    assert again.status == 410
    assert await pool.fetchval(count) == before


async def test_an_answer_moved_to_another_key_is_gone(
    client: RawClient, pool: asyncpg.Pool
) -> None:
    # Given two answers to one request
    mine, other = uuid4().hex, uuid4().hex
    for key in (mine, other):
        await client.post("/v1/users", {}, keyed(key))
    # When
    await pool.execute(
        "UPDATE idempotency SET answer = (SELECT answer FROM idempotency WHERE key = $1)"
        " WHERE key = $2", other, mine,
    )  # fmt: skip
    # Then
    assert (await client.post("/v1/users", {}, keyed(mine))).status == 410
    assert (await client.post("/v1/users", {}, keyed(other))).status == 201


@pytest.mark.parametrize("key", ["", "x" * 256, "é", "tab\tinside"])
async def test_a_key_that_cannot_be_is_refused(client: RawClient, key: str) -> None:
    assert (await client.post("/v1/users", {}, keyed() | {"Idempotency-Key": key})).status == 422
