"""Refusals below the routes: bytes that are not HTTP get a problem document too.

By default aiohttp quotes the offending bytes in its answer and in its log. They may hold a token.
"""

from __future__ import annotations

from uuid import uuid4

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from api.http.problems import Malformed, render_problem


def refuse_broken_requests() -> None:
    """Make every server of this process answer broken requests with a problem document."""
    RequestHandler.handle_error = _answer_refusal  # type: ignore[assignment,method-assign]


async def continue_request(request: web.Request) -> None:
    """Answer `Expect: 100-continue`; other expectations are ignored."""
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0  # aiohttp takes written bytes for a begun answer


def _answer_refusal(
    _: RequestHandler,
    request: web.BaseRequest,
    status: int = 500,
    exc: BaseException | None = None,  # noqa: ARG001 - it quotes the request
    message: str | None = None,  # noqa: ARG001 - it quotes the request
) -> web.StreamResponse:
    if request.writer.output_size > 0:
        raise ConnectionError("the answer has begun already")
    error: Exception = Malformed("the request is not HTTP as it must be")
    response = render_problem(error if status < 500 else RuntimeError(), uuid4().hex)
    response.headers["Server"] = "spendline"
    response.force_close()
    return response
