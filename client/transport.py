"""The transport sends requests over one pool of connections and keeps answers by ETag.

The token is in the header of each request and nowhere else. No message, log line or representation
contains it, and no redirect is followed with it.
"""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from itertools import count
from typing import Final, NamedTuple
from urllib.parse import urlencode, urlsplit

import aiohttp
from cachetools import LRUCache

from client.errors import (
    ClientError,
    ProblemError,
    TooManyRequestsError,
    UnansweredError,
    UnreadableAnswerError,
    build_problem_error,
)
from client.retries import Retries, read_retry_after

logger = logging.getLogger(__name__)

_NO_ANSWER: Final = (aiohttp.ClientError, OSError, TimeoutError)
_CONNECT_SECONDS: Final = 10.0
_STREAMED_BYTES: Final = 2**20  # aiohttp warns of larger bodies that are no streams
_ENTRY_BYTES: Final = 512  # the URL, the tag and the objects of a kept answer take about this
_TOKEN: Final = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request can be `repeatable` without harm. The API can hold it for `wait` seconds."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    repeatable: bool = True
    wait: float = 0.0


class Exchange(NamedTuple):
    """One try of a request, for those who count or time them.

    `status` is 0 when no answer came. With `cached` the API has answered without its database.
    """

    method: str
    path: str
    status: int
    seconds: float
    cached: bool


Observe = Callable[[Exchange], None]


class _Kept(NamedTuple):
    tag: str
    body: bytes


class Transport:
    """A transport sends requests with one token, between `open` and `close`."""

    def __init__(
        self,
        base_url: str,
        token: str | None,
        *,
        timeout: float,
        connections: int,
        retries: Retries,
        kept_bytes: int,
        observe: Observe | None,
    ) -> None:
        self.base_url = _read_base_url(base_url)
        self._headers = _authorize(token)
        self._timeout = timeout
        self._connections = connections
        self._retries = retries
        self._kept: LRUCache[str, _Kept] = LRUCache(kept_bytes, getsizeof=_measure_size)
        self._observe = observe
        self._session: aiohttp.ClientSession | None = None

    async def open(self) -> None:
        self._session = aiohttp.ClientSession(
            headers=self._headers,
            connector=aiohttp.TCPConnector(limit=self._connections),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def send(self, request: Request) -> bytes:
        """Send a request, and again after a failure; return the body. Raises ClientError."""
        began = time.monotonic()
        for failures in count(1):
            try:
                return await self._try(request)
            except ClientError as error:
                pause = self._choose_pause(request, error, failures, time.monotonic() - began)
                if pause is None:
                    raise
                self._log_retry(request, pause, error)
            await asyncio.sleep(pause)
        raise AssertionError  # the loop has no end

    def _log_retry(self, request: Request, pause: float, error: ClientError) -> None:
        name = type(error).__name__
        logger.info("%s %s is tried again in %.2f s: %s", request.method, request.path, pause, name)

    def _choose_pause(
        self, request: Request, error: ClientError, failures: int, spent: float
    ) -> float | None:
        """Choose the seconds until another try; None when it is useless or might act twice."""
        untouched = isinstance(error, TooManyRequestsError)  # nothing was done
        if not error.transient or not (request.repeatable or untouched):
            return None
        retry_after = error.retry_after if isinstance(error, ProblemError) else None
        return self._retries.choose_pause(failures, spent, retry_after)

    async def _try(self, request: Request) -> bytes:
        url = f"{self.base_url}{request.path}"
        if request.query:
            url += f"?{urlencode(request.query)}"
        kept = self._kept.get(url) if request.method == "GET" else None
        status, headers, body = await self._exchange(request, url, kept)
        if status == 304 and kept is not None:
            return kept.body
        if status >= 400:
            raise build_problem_error(status, body, read_retry_after(headers.get("Retry-After")))
        if status >= 300:
            raise UnreadableAnswerError(f"an answer with status {status}")
        if "ETag" in headers and request.method == "GET":
            self._keep_answer(url, _Kept(headers["ETag"], body))
        return body

    async def _exchange(
        self, request: Request, url: str, kept: _Kept | None
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Try once, and return status, headers and body. Raises UnansweredError."""
        began = time.monotonic()
        headers = {**request.headers, "If-None-Match": kept.tag} if kept else request.headers
        try:
            async with self._require_session().request(
                request.method,
                url,
                data=_open_body(request.body),
                headers=headers,
                timeout=self._limit_time(request.wait),
                allow_redirects=False,
            ) as response:
                body = await response.read()
        except _NO_ANSWER as error:
            failure = type(error).__name__
        else:
            cached = "hit" in response.headers.get("Cache-Status", "")
            self._notify(request, response.status, began, cached=cached)
            return response.status, response.headers, body
        # Raised outside the handler: the original error may hold the request with its token.
        self._notify(request, 0, began, cached=False)
        raise UnansweredError(f"no answer from {self.base_url}: {failure}")

    def _require_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("the client is not open: use `async with Client(...)`")
        return self._session

    def _limit_time(self, wait: float) -> aiohttp.ClientTimeout:
        return aiohttp.ClientTimeout(
            total=self._timeout + wait, sock_connect=min(_CONNECT_SECONDS, self._timeout)
        )

    def _notify(self, request: Request, status: int, began: float, *, cached: bool) -> None:
        if self._observe is not None:
            seconds = time.monotonic() - began
            self._observe(Exchange(request.method, request.path, status, seconds, cached))

    def _keep_answer(self, url: str, kept: _Kept) -> None:
        if _measure_size(kept) <= self._kept.maxsize:
            self._kept[url] = kept


def _read_base_url(text: str) -> str:
    url = urlsplit(text)
    extra = url.username or url.password or url.query or url.fragment
    if url.scheme not in {"http", "https"} or not url.hostname or extra:
        raise ValueError("the base URL is http(s)://host[:port][/path], without user or query")
    return text.rstrip("/")


def _authorize(token: str | None) -> dict[str, str]:
    if token is None:
        return {}
    if not _TOKEN.fullmatch(token):
        raise ValueError("the token is empty or holds characters that no header can carry")
    return {"Authorization": f"Bearer {token}"}


def _open_body(body: bytes | None) -> bytes | BytesIO | None:
    return body if body is None or len(body) < _STREAMED_BYTES else BytesIO(body)


def _measure_size(kept: _Kept) -> int:
    return len(kept.body) + _ENTRY_BYTES
