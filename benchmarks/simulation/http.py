"""An HTTP client for the simulated user base: an integration that pushes, and conditional reads."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, NamedTuple, TypeVar

import aiohttp
import msgspec

from pipeline.errors import SpendlineError, Transient

T = TypeVar("T")
_WAIT_SECONDS: Final = 20
_PATIENCE_SECONDS: Final = 120
_PAUSES: Final = (0.2, 0.5, 1.0, 2.0)  # seconds between tries


class Refused(SpendlineError):
    """The API refused what the simulation asked."""


class Unanswered(Transient):
    """The API did not answer, or not in time."""


class Fate(NamedTuple):
    """How a push ended: its receipt, and the moments it was sent, accepted and seen to be stored."""

    receipt: dict[str, Any]
    sent: float
    accepted: float
    stored: float


class Answer(NamedTuple):
    status: int
    body: Any
    tag: str
    hit: bool  # answered without the database


class Http:
    """JSON over HTTP with one token.

    Whatever was not answered, or with 503, is tried again, which is always safe.
    """

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def post(self, path: str, body: Any) -> Any:
        data = msgspec.json.encode(body)
        headers = {"Content-Type": "application/json"}
        async with self._answered("POST", path, data=data, headers=headers) as response:
            return await _content(response)

    async def get(self, path: str, tag: str = "", **query: Any) -> Answer:
        headers = {"If-None-Match": tag} if tag else {}
        async with self._answered("GET", path, params=query, headers=headers) as response:
            body = None if response.status == 304 else await _content(response)
            hit = "hit" in response.headers.get("Cache-Status", "")
            return Answer(response.status, body, response.headers.get("ETag", ""), hit)

    @asynccontextmanager
    async def _answered(
        self, method: str, path: str, **more: Any
    ) -> AsyncGenerator[aiohttp.ClientResponse]:
        """The response, after some tries; Unanswered when there is none."""
        for pause in (*_PAUSES, None):
            try:
                response = await self._session.request(method, path, **more)
            except (aiohttp.ClientError, TimeoutError) as error:
                if pause is None:
                    raise Unanswered(f"no answer from the API: {type(error).__name__}") from None
            else:
                if response.status != 503 or pause is None:
                    async with response:
                        yield response
                    return
                response.release()
            await asyncio.sleep(pause)


class Integration:
    """Pushes a bank's feed: users, accounts, transactions, and the receipts of them."""

    def __init__(self, http: Http) -> None:
        self._http = http

    async def open_account(self, user: str, account: str, currency: str) -> tuple[str, str]:
        """(user id, account id) of these names; both are made if they are new."""
        user_id = (await self._http.post("/v1/users", {"external_id": user}))["user_id"]
        wanted = {"user_id": user_id, "external_id": account, "currency": currency}
        made = await self._http.post("/v1/accounts", wanted)
        return user_id, made["account_id"]

    async def push(self, transactions: Sequence[dict[str, Any]]) -> Fate:
        """Push, and wait until all of it is stored. Raises Refused or Unanswered when it is not."""
        sent = time.monotonic()
        told = await self._http.post("/v1/transactions", {"transactions": transactions})
        accepted = time.monotonic()
        path = f"/v1/ingests/{told['ingest_id']}"
        while True:
            receipt = (await self._http.get(path, wait=_WAIT_SECONDS)).body
            if receipt["status"] == "stored":
                return Fate(receipt, sent, accepted, time.monotonic())
            if receipt["status"] == "failed":
                raise Refused(f"a batch was not stored: {receipt['reason']}")
            if time.monotonic() - sent > _PATIENCE_SECONDS:
                raise Unanswered(f"a batch was not stored within {_PATIENCE_SECONDS} s")


async def gathered(tasks: Sequence[Awaitable[T]], at_once: int) -> list[T]:
    """The results in order, with at most `at_once` running."""
    slots = asyncio.Semaphore(at_once)

    async def one(task: Awaitable[T]) -> T:
        async with slots:
            return await task

    return await asyncio.gather(*(one(task) for task in tasks))


async def _content(response: aiohttp.ClientResponse) -> Any:
    content = await response.read()
    if response.status < 300:
        return msgspec.json.decode(content)
    problem = msgspec.json.decode(content)
    said = [f"{e['pointer']} {e['detail']}" for e in problem.get("errors", [])[:1]]
    text = f"{response.status} {problem['title']}: {'; '.join(said) or problem['detail']}"
    raise Unanswered(text) if response.status >= 500 else Refused(text)
