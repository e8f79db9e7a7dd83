"""The bare path of the benchmarks: busy answers are tried again, and receipts are waited for."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from benchmarks.harness.bank_feed import BankFeed, open_session
from client import AcceptedPush, Client, PushReceipt


def _answer(status: int, content: object, **headers: str) -> web.Response:
    return web.Response(status=status, body=msgspec.json.encode(content), headers=headers)


def _receipt(status: str) -> web.Response:
    return _answer(200, PushReceipt("one", status, 1, 1, 0, 0, 0))


async def _push(pushes: Iterator[web.Response], receipts: Iterator[web.Response]) -> PushReceipt:
    """Push one body to a server with these answers, and wait for the receipt."""

    async def answer_push(_: web.Request) -> web.Response:
        return next(pushes)

    async def answer_receipt(_: web.Request) -> web.Response:
        return next(receipts)

    app = web.Application()
    app.router.add_post("/v1/transactions", answer_push)
    app.router.add_get("/v1/ingests/one", answer_receipt)
    async with TestServer(app) as server, open_session(str(server.make_url("/"))) as session:
        feed = BankFeed(session, Client("http://127.0.0.1:1"))
        return await feed.wait_for_receipt(await feed.push(b"{}"))


async def test_a_busy_api_is_asked_again_and_a_queued_receipt_is_waited_for() -> None:
    # Given an API that is busy at first, and whose workers take their time
    busy = _answer(503, {}, **{"Retry-After": "0"})
    accepted = _answer(202, AcceptedPush("one", 1, 0))
    # When a body is pushed
    receipt = await _push(iter([busy, accepted]), iter([_receipt("queued"), _receipt("stored")]))
    # Then the receipt is the final one
    assert (receipt.status, receipt.added) == ("stored", 1)


async def test_a_refused_push_says_what_the_api_answered() -> None:
    refused = _answer(422, {"title": "Unprocessable"})
    with pytest.raises(RuntimeError, match=r"422.*Unprocessable"):
        await _push(iter([refused]), iter([]))
