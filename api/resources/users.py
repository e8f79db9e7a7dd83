"""Users: created, shown, erased, and their tokens."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from aiohttp import web
from msgspec import Meta, Struct

from api.http.answers import answer_json
from api.http.bodies import read_json
from api.http.problems import require_found
from api.http.requests import name_actor, read_user_id
from api.lookups import OWNERS
from api.services import ANSWERS, POSITIONS, TOKENS, USERS

ExternalId = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
_YEAR_SECONDS = 366 * 24 * 3600


class NewUser(Struct, forbid_unknown_fields=True):
    external_id: ExternalId | None = None


class User(Struct):
    user_id: UUID
    external_id: str | None
    position: int


class NewUserToken(Struct, forbid_unknown_fields=True):
    """The token is for the user's own app, which may read and push transactions of this user."""

    scopes: Annotated[list[Literal["read", "ingest"]], Meta(min_length=1, max_length=2)]
    expires_in: Annotated[int, Meta(ge=1, le=_YEAR_SECONDS, description="seconds")] = 24 * 3600


class UserToken(Struct):
    token: str
    expires_at: datetime


async def create_user(request: web.Request) -> web.Response:
    new = await read_json(request, NewUser)
    row = await request.app[USERS].create_user(new.external_id)
    if row["created"]:
        return answer_json(_user(row), 201)
    await _announce_position(request, row)
    return answer_json(_user(row))


async def show_user(request: web.Request) -> web.Response:
    row = require_found(await request.app[USERS].read_user(read_user_id(request)))
    await _announce_position(request, row)
    return answer_json(_user(row))


async def erase_user(request: web.Request) -> web.Response:
    app, user_id = request.app, read_user_id(request)
    require_found(await app[USERS].erase_user(user_id, name_actor(request)) or None)
    app[OWNERS].forget_user(user_id)
    await app[ANSWERS].forget_user(user_id)
    return web.Response(status=204)


async def create_token(request: web.Request) -> web.Response:
    new = await read_json(request, NewUserToken)
    token = require_found(
        await request.app[TOKENS].create_token(
            "user",
            new.scopes,
            user_id=read_user_id(request),
            expires_in=timedelta(seconds=new.expires_in),
            actor=name_actor(request),
        )
    )
    return answer_json({"token": token.text, "expires_at": token.expires_at}, 201)


def _user(row: Mapping[str, Any]) -> User:
    return User(row["user_id"], row["external_id"], row["position"])


async def _announce_position(request: web.Request, row: Mapping[str, Any]) -> None:
    """Keep later readers from an older position than the one in this answer."""
    await request.app[POSITIONS].advance_positions({row["user_id"].bytes: row["position"]})
