"""Users: made, found, erased, and given tokens of their own."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from aiohttp import web
from msgspec import Meta, Struct

from api.dependencies import actor, answer, known, services, user_in_path
from api.http.bodies import read_json

ExternalId = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f-\x9f]*$")]
_YEAR_SECONDS = 366 * 24 * 3600


class NewUser(Struct, forbid_unknown_fields=True):
    external_id: ExternalId | None = None


class User(Struct):
    user_id: UUID
    external_id: str | None
    position: int


class NewUserToken(Struct, forbid_unknown_fields=True):
    """A token for the user's own app: it may read, and push what the user's phone sees."""

    scopes: Annotated[list[Literal["read", "ingest"]], Meta(min_length=1, max_length=2)]
    expires_in: Annotated[int, Meta(ge=1, le=_YEAR_SECONDS, description="seconds")] = 24 * 3600


class UserToken(Struct):
    token: str
    expires_at: datetime


async def create(request: web.Request) -> web.Response:
    wanted = await read_json(request, NewUser)
    row = await services(request).users.create_user(wanted.external_id)
    if row["created"]:
        return answer(_user(row), 201)
    await _told(request, row)
    return answer(_user(row))


async def show(request: web.Request) -> web.Response:
    row = known(await services(request).users.read_user(user_in_path(request)))
    await _told(request, row)
    return answer(_user(row))


def _user(row: Mapping[str, Any]) -> User:
    return User(row["user_id"], row["external_id"], row["position"])


async def _told(request: web.Request, row: Mapping[str, Any]) -> None:
    """Readers after this one are told no older position."""
    await services(request).positions.advance_positions({row["user_id"].bytes: row["position"]})


async def erase(request: web.Request) -> web.Response:
    found, user_id = services(request), user_in_path(request)
    known(await found.users.erase_user(user_id, actor(request)) or None)
    found.owners.forget(user_id)
    await found.answers.forget_user(user_id)
    return web.Response(status=204)


async def create_token(request: web.Request) -> web.Response:
    wanted = await read_json(request, NewUserToken)
    made = known(
        await services(request).tokens.create(
            "user",
            wanted.scopes,
            user_id=user_in_path(request),
            expires_in=timedelta(seconds=wanted.expires_in),
            actor=actor(request),
        )
    )
    return answer({"token": made.text, "expires_at": made.expires_at}, 201)
