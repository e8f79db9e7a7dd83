"""The client against a server that fails on purpose: what is tried again, and what is not."""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from decimal import Decimal
from itertools import pairwise
from typing import Any
from uuid import UUID

import msgspec
import pytest
from aiohttp import web

from client import (
    Client,
    ConflictError,
    Exchange,
    NewTransaction,
    NotFoundError,
    PushFailedError,
    ReceiptTimeoutError,
    Retries,
    TooManyRequestsError,
    UnansweredError,
    UnavailableError,
    UnreadableAnswerError,
)

USER = UUID(int=7)
TOKEN = "sl_a_secret_token"
QUICK = Retries(tries=4, seconds=5.0, first_pause=0.001, longest_pause=0.002)
FOUND = {"user_id": str(USER), "external_id": None, "position": 3}
ACCEPTED = {"ingest_id": "i", "accepted": 1, "removed": 0}

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Script:
    """Answers requests with what it was told, one after another, and the last one for ever."""

    def __init__(self) -> None:
        self.answers: deque[Answer] = deque()
        self.requests: list[web.Request] = []
        self.bodies: list[bytes] = []
        self.url = ""

    def add(self, status: int, body: Any = None, **headers: str) -> None:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers.append(_answer(status, body, fields))

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        self.bodies.append(await request.read())
        answer = self.answers.popleft() if len(self.answers) > 1 else self.answers[0]
        return await answer(request)

    def headers(self, name: str) -> list[str | None]:
        return [request.headers.get(name) for request in self.requests]


def _answer(status: int, body: Any, headers: Mapping[str, str]) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        content = None if body is None else msgspec.json.encode(body)
        return web.Response(status=status, body=content, headers=headers)

    return answer


async def hang_up(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def break_off(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Length": "100"})
    await response.prepare(request)
    await response.write(b'{"user_id":')
    assert request.transport is not None
    request.transport.close()
    return response


@pytest.fixture
async def script() -> AsyncIterator[Script]:
    script = Script()
    app = web.Application(client_max_size=2**24)
    app.router.add_route("*", "/{path:.*}", script.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0]
    script.url = f"http://{host}:{port}"
    yield script
    await runner.cleanup()


@pytest.fixture
async def client(script: Script) -> AsyncIterator[Client]:
    async with Client(script.url, TOKEN, retries=QUICK) as opened:
        yield opened


def row() -> NewTransaction:
    return NewTransaction(
        transaction_id="t1",
        account_id=USER,
        date=dt.date(2026, 11, 20),
        amount=Decimal("-4.50"),
        currency="GBP",
        description="COFFEE",
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


async def test_errors_and_logs_do_not_hold_the_token(
    script: Script, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    # Given
    caplog.set_level(logging.DEBUG)
    script.answers.append(hang_up)
    # When
    with pytest.raises(UnansweredError) as raised:
        await client.get_user(USER)
    # Then
    assert script.headers("Authorization")[0] == f"Bearer {TOKEN}"
    assert "GET again in" in caplog.text
    assert TOKEN not in caplog.text
    error: BaseException | None = raised.value
    while error is not None:
        assert TOKEN not in f"{error!r} {error}"
        error = error.__cause__ or error.__context__
    assert TOKEN not in repr(client)


async def test_a_redirect_is_not_followed(script: Script, client: Client) -> None:
    script.add(307, Location="/elsewhere")
    with pytest.raises(UnreadableAnswerError):
        await client.get_user(USER)
    assert len(script.requests) == 1


async def test_an_answer_of_another_kind_is_an_error(script: Script, client: Client) -> None:
    script.add(200, {"hello": "world"})
    with pytest.raises(UnreadableAnswerError):
        await client.get_user(USER)


async def test_a_kept_answer_is_given_again_when_nothing_changed(
    script: Script, client: Client
) -> None:
    # Given
    script.add(200, FOUND, ETag='"3-a"')
    script.add(304, ETag='"3-a"')
    script.add(200, FOUND | {"position": 4}, ETag='"4-a"')
    script.add(304, ETag='"4-a"')
    # When
    positions = [(await client.get_user(USER)).position for _ in range(4)]
    # Then
    assert positions == [3, 3, 4, 4]
    assert script.headers("If-None-Match") == [None, '"3-a"', '"3-a"', '"4-a"']


async def test_kept_answers_are_bounded_in_bytes(script: Script) -> None:
    # Given room for one answer
    script.add(200, FOUND, ETag='"3-a"')
    async with Client(script.url, TOKEN, kept_bytes=700) as client:
        # When
        for user in (USER, USER, UUID(int=8), USER):
            await client.get_user(user)
    # Then
    assert script.headers("If-None-Match") == [None, '"3-a"', None, None]


async def test_nothing_is_kept_without_room(script: Script) -> None:
    script.add(200, FOUND, ETag='"3-a"')
    async with Client(script.url, TOKEN, kept_bytes=0) as client:
        await client.get_user(USER)
        await client.get_user(USER)
    assert script.headers("If-None-Match") == [None, None]


async def test_no_more_requests_are_on_their_way_than_allowed(script: Script) -> None:
    # Given
    running, most = 0, 0
    arrived = asyncio.Semaphore(0)
    go_on = asyncio.Event()

    async def hold(_: web.Request) -> web.StreamResponse:
        nonlocal running, most
        running += 1
        most = max(most, running)
        arrived.release()
        await go_on.wait()
        running -= 1
        return web.json_response(FOUND)

    script.answers.append(hold)
    # When
    async with Client(script.url, TOKEN, connections=3) as client, asyncio.TaskGroup() as group:
        for _ in range(9):
            group.create_task(client.get_user(USER))
        for _ in range(3):
            await arrived.acquire()
        go_on.set()
    # Then
    assert (most, len(script.requests)) == (3, 9)


async def test_every_try_is_observed(script: Script) -> None:
    # Given
    tries: list[Exchange] = []
    script.add(503)
    script.answers.append(hang_up)
    script.add(200, FOUND, Cache_Status="spendline; hit")
    # When
    async with Client(script.url, TOKEN, retries=QUICK, observe=tries.append) as client:
        await client.create_user("ann")
    # Then
    assert [(seen.method, seen.path, seen.status, seen.cached) for seen in tries] == [
        ("POST", "/v1/users", 503, False),
        ("POST", "/v1/users", 0, False),
        ("POST", "/v1/users", 200, True),
    ]
    assert all(seen.seconds > 0 for seen in tries)


async def test_the_state_of_the_system_is_asked_once(script: Script, client: Client) -> None:
    # Given
    fault = {"pointer": "/parts/broker", "detail": "no connection"}
    script.add(503, {"title": "Not ready", "errors": [fault]}, Retry_After="1")
    # When
    readiness = await client.check_readiness()
    # Then
    assert (readiness.ready, readiness.parts) == (False, {"broker": "no connection"})
    assert not await client.is_alive()
    assert len(script.requests) == 2


async def test_a_failed_push_is_an_error_with_its_receipt(script: Script, client: Client) -> None:
    counts = dict.fromkeys(("accepted", "added", "modified", "unchanged", "removed"), 0)
    script.add(200, {"ingest_id": "i", "status": "queued"} | counts)
    script.add(200, {"ingest_id": "i", "status": "failed", "reason": "a defect"} | counts)
    with pytest.raises(PushFailedError, match="a defect") as raised:
        await client.wait_for_receipt("i")
    assert raised.value.receipt.status == "failed"
    assert script.requests[0].query["wait"] == "20.000"


async def test_waiting_for_a_receipt_ends(script: Script, client: Client) -> None:
    counts = dict.fromkeys(("accepted", "added", "modified", "unchanged", "removed"), 0)
    script.add(200, {"ingest_id": "i", "status": "queued"} | counts)
    with pytest.raises(ReceiptTimeoutError):
        await client.wait_for_receipt("i", seconds=0.05)
    waits = [float(request.query["wait"]) for request in script.requests]
    assert all(later <= earlier for earlier, later in pairwise(waits))
    assert waits[-1] == 0


async def test_a_reset_comes_with_the_whole_feed_in_its_pages(
    script: Script, client: Client
) -> None:
    # Given
    page = {"added": [], "modified": [], "removed": [], "position": 9}
    script.add(200, page | {"reset": True, "has_more": True, "next_cursor": "b"})
    script.add(200, page | {"reset": False, "has_more": False, "next_cursor": "c"})
    # When
    pages = [page async for page in client.iterate_changes(USER, "a", page_rows=5)]
    # Then
    assert [(page.reset, page.next_cursor) for page in pages] == [(True, "b"), (False, "c")]
    queries = [dict(request.query) for request in script.requests]
    assert queries == [{"cursor": "a", "limit": "5"}, {"cursor": "b", "limit": "5"}]


async def test_a_client_that_is_not_open_says_so() -> None:
    with pytest.raises(RuntimeError, match="async with"):
        await Client("http://127.0.0.1:1", TOKEN).get_user(USER)
