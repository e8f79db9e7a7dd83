"""A request is told apart by the route that it matches, also where routes share a handler."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import AsyncMock
from uuid import uuid4

import pytest
from aiohttp import web

from api.http.answers import answer_versioned
from api.http.authorization import TOKEN_HOLDERS, authorize_request
from api.http.problems import Forbidden
from api.http.rate_limits import RATE_LIMITS
from api.http.routing import add_routes, find_route
from api.routes import ROUTES
from api.services import ANSWERS, POSITIONS, READS
from pipeline.access.tokens import Principal
from tests.support.routing import matched


async def handler(_: web.Request) -> web.Response:
    return web.Response()


READ = replace(ROUTES[1], path="/v1/a/{user_id}", handler=handler, scopes=frozenset({"read"}))
MANAGE = replace(READ, path="/v1/b/{user_id}", scopes=frozenset({"manage"}))


TOKEN = {"Authorization": "Bearer t"}


@pytest.fixture
def app() -> web.Application:
    """Two routes of one handler, for a reader's token."""
    app = web.Application()
    reader = Principal(uuid4(), frozenset({"read"}), None, None)
    app[TOKEN_HOLDERS] = AsyncMock(**{"find_holder.return_value": reader})
    app[RATE_LIMITS] = AsyncMock(**{"count_request.return_value": None})
    app[READS] = AsyncMock()
    app[POSITIONS] = AsyncMock(**{"read_position.return_value": 7})
    app[ANSWERS] = AsyncMock(**{"read_answer.return_value": (7, b"{}")})
    add_routes(app, (READ, MANAGE))
    return app


async def test_two_routes_of_one_handler_keep_their_own_scopes(app: web.Application) -> None:
    assert (
        await authorize_request(await matched(app, "GET", "/v1/a/x", TOKEN), handler)
    ).status == 200
    with pytest.raises(Forbidden, match="manage"):
        await authorize_request(await matched(app, "GET", "/v1/b/x", TOKEN), handler)


async def test_what_is_not_served_matches_no_route(app: web.Application) -> None:
    assert find_route(await matched(app, "GET", "/v1/c", TOKEN)) is None


async def test_two_routes_of_one_module_share_no_answer(app: web.Application) -> None:
    # Given
    compute = AsyncMock()
    user = uuid4()
    # When
    tags = [
        (
            await answer_versioned(await matched(app, "GET", path, TOKEN), user, None, compute)
        ).headers["ETag"]
        for path in ("/v1/a/x", "/v1/b/x", "/v1/a/x")
    ]
    # Then
    assert tags[0] == tags[2] != tags[1]


def test_every_operation_has_a_name_of_its_own() -> None:
    assert len({route.name for route in ROUTES}) == len(ROUTES)
