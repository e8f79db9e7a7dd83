"""A server whose answers, good and bad, are scripted."""

from __future__ import annotations

import datetime as dt
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
from aiohttp import web

from client import NewTransaction, Retries

USER = UUID(int=7)
TOKEN = "sl_a_secret_token"
QUICK = Retries(tries=4, seconds=5.0, first_pause=0.001, longest_pause=0.002)
FOUND = {"user_id": str(USER), "external_id": None, "position": 3}
ACCEPTED = {"ingest_id": "i", "accepted": 1, "removed": 0}

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Script:
    """Gives the scripted answers one after another, and the last one for ever."""

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


def row() -> NewTransaction:
    return NewTransaction(
        transaction_id="t1",
        account_id=USER,
        date=dt.date(2026, 11, 20),
        amount=Decimal("-4.50"),
        currency="GBP",
        description="COFFEE",
    )
