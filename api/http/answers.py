"""Answers of handlers: JSON, and JSON that stays right until the feed moves on.

The latter has an ETag, is answered with 304, and is cached under the position of the feed.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec
from aiohttp import web

from api.http.problems import require_found
from api.services import ANSWERS, POSITIONS, READS

Compute = Callable[[int], Awaitable[tuple[int, bytes]]]


def answer_json(
    value: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> web.Response:
    """Return a response whose body is `value` as JSON."""
    return web.Response(
        status=status,
        body=msgspec.json.encode(value),
        content_type="application/json",
        headers=headers,
    )


async def answer_versioned(
    request: web.Request, user_id: UUID, query: Any, compute: Compute, *, keep: bool = True
) -> web.Response:
    """Answer 304 if the reader holds what `query` gives at the feed's position, else 200.

    `compute` takes that position and returns the position and the body of its answer.
    With `keep` it runs once per position, for all readers.
    """
    positions, reads = request.app[POSITIONS], request.app[READS]
    current = require_found(await positions.read_position(user_id, reads.read_position))
    key = hash_query(_name_endpoint(request), query)
    if format_etag(current, key) in _read_etags(request):
        return web.Response(status=304, headers=_build_headers(current, key, hit=True))
    computed = False

    async def compute_once() -> tuple[int, bytes]:
        nonlocal computed
        computed = True
        return await compute(current)

    if keep:
        position, body = await request.app[ANSWERS].read_answer(user_id, current, key, compute_once)
    else:
        position, body = await compute_once()
        await positions.advance_past(user_id, current, position)
    headers = _build_headers(position, key, hit=not computed)
    return web.Response(body=body, content_type="application/json", headers=headers)


def hash_query(endpoint: str, query: Any) -> str:
    """Hash an endpoint (`GET /v1/users/{user_id}`) and its query to 16 hexadecimal digits."""
    return sha256(f"{endpoint}\n".encode() + msgspec.json.encode(query)).hexdigest()[:16]


def format_etag(position: int, key: str) -> str:
    """Return the entity tag of an answer at a position, quotes included."""
    return f'"{position}-{key}"'


def _build_headers(position: int, key: str, *, hit: bool) -> dict[str, str]:
    """Return the headers of an answer; `Cache-Status` follows RFC 9211."""
    status = "spendline; hit" if hit else "spendline; fwd=miss"
    return {
        "ETag": format_etag(position, key),
        "Cache-Control": "private, no-cache",
        "Cache-Status": status,
    }


def _name_endpoint(request: web.Request) -> str:
    """Return the method and the path template of the route, which no other route shares."""
    resource = request.match_info.route.resource
    return f"{request.method} {resource.canonical if resource else request.path}"


def _read_etags(request: web.Request) -> set[str]:
    """Return the entity tags that the reader holds, for the weak comparison of RFC 9110."""
    tags = ",".join(request.headers.getall("If-None-Match", ())).split(",")
    return {tag.strip().removeprefix("W/") for tag in tags}
