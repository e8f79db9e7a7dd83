"""Requests as a handler gets them: the router has matched their route."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web
from aiohttp.test_utils import make_mocked_request


async def matched(
    app: web.Application, method: str, path: str, headers: Mapping[str, str] = {}
) -> web.Request:
    """A request after the application's router has seen it."""
    request = make_mocked_request(method, path, headers, app=app)
    request._match_info = await app.router.resolve(request)
    request._match_info.add_app(app)
    return request
