"""What the client tries again when the API fails, and what it does not."""

from __future__ import annotations

import asyncio

import msgspec
import pytest
from aiohttp import web

from client import (
    Client,
    ConflictError,
    NotFoundError,
    Retries,
    TooManyRequestsError,
    UnansweredError,
    UnavailableError,
)
from tests.integration.client.script import (
    ACCEPTED,
    FOUND,
    QUICK,
    TOKEN,
    USER,
    Answer,
    Script,
    break_off,
    hang_up,
    row,
)


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_a_read_is_tried_again(script: Script, client: Client, status: int) -> None:
    # Given
    script.add(status, Retry_After="0")
    script.add(status, Retry_After="0")
    script.add(200, FOUND)
    # When
    user = await client.get_user(USER)
    # Then
    assert (user.user_id, user.position) == (USER, 3)
    assert len(script.requests) == 3


@pytest.mark.parametrize("failure", [hang_up, break_off])
async def test_a_broken_connection_is_tried_again(
    script: Script, client: Client, failure: Answer
) -> None:
    script.answers.append(failure)
    script.add(200, FOUND)
    assert (await client.get_user(USER)).position == 3


async def test_a_push_is_repeated_whole(script: Script, client: Client) -> None:
    # Given
    script.add(503, Retry_After="0")
    script.answers.append(hang_up)
    script.add(202, ACCEPTED)
    # When
    accepted = await client.push([row()], gzip=True)
    # Then
    assert [answer.ingest_id for answer in accepted] == ["i"]
    assert len(set(script.bodies)) == 1
    assert script.headers("Content-Encoding") == ["gzip"] * 3
    assert script.headers("Idempotency-Key") == [None] * 3


async def test_a_large_body_is_repeated_whole(script: Script, client: Client) -> None:
    script.add(503)
    script.add(202, ACCEPTED)
    await client.push([msgspec.structs.replace(row(), description="x" * 2**20)])
    first, second = script.bodies
    assert first == second
    assert len(first) > 2**20


async def test_all_tries_of_a_post_carry_one_key(script: Script, client: Client) -> None:
    # Given
    script.answers.append(hang_up)
    script.add(409, {"type": "urn:spendline:problem:still-running"}, Retry_After="0")
    script.add(201, FOUND)
    # When
    await client.create_user("ann")
    await client.create_user("ann")
    # Then
    *first, second = script.headers("Idempotency-Key")
    assert len(first) == 3
    assert len(set(first)) == 1
    assert second not in {None, *first}


async def test_another_conflict_is_not_tried_again(script: Script, client: Client) -> None:
    script.add(409, {"type": "urn:spendline:problem:conflict"}, Retry_After="0")
    with pytest.raises(ConflictError):
        await client.create_account(USER, "main", "GBP")
    assert len(script.requests) == 1


async def test_an_erasure_is_repeated_only_when_nothing_was_done(
    script: Script, client: Client
) -> None:
    # Given
    script.add(429, Retry_After="0")
    script.add(503, Retry_After="0")
    # When
    with pytest.raises(UnavailableError):
        await client.erase_user(USER)
    # Then
    assert [request.method for request in script.requests] == ["DELETE", "DELETE"]


async def test_tries_end(script: Script, client: Client) -> None:
    script.add(503, {"title": "Queue unavailable", "detail": "no confirm", "request_id": "r1"})
    with pytest.raises(UnavailableError, match="no confirm") as raised:
        await client.get_user(USER)
    assert raised.value.request_id == "r1"
    assert len(script.requests) == QUICK.tries


async def test_a_longer_pause_than_there_is_time_for_is_not_begun(
    script: Script, client: Client
) -> None:
    script.add(429, Retry_After="3600")
    with pytest.raises(TooManyRequestsError) as raised:
        await client.get_user(USER)
    assert raised.value.retry_after == 3600
    assert len(script.requests) == 1


async def test_what_is_refused_is_not_tried_again(script: Script, client: Client) -> None:
    script.add(404, {"title": "Not found"})
    with pytest.raises(NotFoundError):
        await client.get_user(USER)
    assert len(script.requests) == 1


async def test_an_answer_that_does_not_come_ends_in_an_error(script: Script) -> None:
    # Given
    released = asyncio.Event()

    async def keep_silent(_: web.Request) -> web.StreamResponse:
        await released.wait()
        return web.Response()

    script.answers.append(keep_silent)
    retries = Retries(tries=2, first_pause=0.001)
    # When
    async with Client(script.url, TOKEN, timeout=0.05, retries=retries) as client:
        with pytest.raises(UnansweredError, match="TimeoutError"):
            await client.get_user(USER)
    # Then
    assert len(script.requests) == 2
    released.set()
