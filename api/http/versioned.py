"""Answers that are right until the feed moves on: ETags, 304, and the cache under a position."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec
from aiohttp import web

from api.dependencies import known, services

Compute = Callable[[int], Awaitable[tuple[int, bytes]]]


async def versioned(
    request: web.Request, user_id: UUID, query: Any, compute: Compute, *, keep: bool = True
) -> web.Response:
    """304 if the reader has what `query` gives at the feed's position; else the answer.

    `compute` is told that position and gives (position, body). With `keep` it is asked once per
    position, for all readers.
    """
    found = services(request)
    told = known(await found.positions.read_position(user_id, found.reads.read_position))
    key = query_hash(_endpoint(request), query)
    if etag(told, key) in _given(request):
        return web.Response(status=304, headers=_headers(told, key, hit=True))
    computed = False

    async def counted() -> tuple[int, bytes]:
        nonlocal computed
        computed = True
        return await compute(told)

    if keep:
        position, body = await found.answers.read_answer(user_id, told, key, counted)
    else:
        position, body = await counted()
        await found.positions.advance_past(user_id, told, position)
    headers = _headers(position, key, hit=not computed)
    return web.Response(body=body, content_type="application/json", headers=headers)


def _headers(position: int, key: str, *, hit: bool) -> dict[str, str]:
    """RFC 9211 says how to tell whether PostgreSQL was asked."""
    status = "spendline; hit" if hit else "spendline; fwd=miss"
    return {
        "ETag": etag(position, key),
        "Cache-Control": "private, no-cache",
        "Cache-Status": status,
    }


def query_hash(endpoint: str, query: Any) -> str:
    """Hash of an endpoint (`GET /v1/users/{user_id}`) and its query: 16 hexadecimal digits."""
    return sha256(f"{endpoint}\n".encode() + msgspec.json.encode(query)).hexdigest()[:16]


def _endpoint(request: web.Request) -> str:
    """The method and the path template of the matched route, which no other route shares."""
    resource = request.match_info.route.resource
    return f"{request.method} {resource.canonical if resource else request.path}"


def etag(position: int, key: str) -> str:
    return f'"{position}-{key}"'


def _given(request: web.Request) -> set[str]:
    """The entity tags that the reader holds; weak comparison, as RFC 9110 wants it."""
    tags = ",".join(request.headers.getall("If-None-Match", ())).split(",")
    return {tag.strip().removeprefix("W/") for tag in tags}
