"""What the client makes of answers: kept ones, strange ones, and receipts that never settle."""

from __future__ import annotations

import asyncio
import logging
from itertools import pairwise
from uuid import UUID

import pytest
from aiohttp import web

from client import (
    Client,
    Exchange,
    PushFailedError,
    ReceiptTimeoutError,
    UnansweredError,
    UnreadableAnswerError,
)
from tests.integration.client.script import FOUND, QUICK, TOKEN, USER, Script, hang_up


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
    assert "is tried again" in caplog.text
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
