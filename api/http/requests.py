"""What a request carries: who calls, which ids its path names, and what its query asks for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar
from uuid import UUID

import msgspec
from aiohttp import web

from api.http.problems import Fault, Invalid, NotFound, Unauthenticated
from pipeline.access.tokens import Principal
from pipeline.observe.logs import Pushed

T = TypeVar("T")

PRINCIPAL: Final = web.RequestKey("principal", Principal)
REQUEST_ID: Final = web.RequestKey("request_id", str)
PUSHED: Final = web.RequestKey("pushed", Pushed)


def read_bearer(request: web.Request) -> str:
    """Return the token of the request, unchecked. Raises Unauthenticated when there is none."""
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer" or not token:
        raise Unauthenticated("send `Authorization: Bearer <token>`")
    return token.strip()


def name_actor(request: web.Request) -> str:
    """Return the caller's name for the audit log."""
    return f"token {request[PRINCIPAL].token_id}"


def read_path_id(request: web.Request, name: str) -> UUID:
    """Return an id from the path. Raises NotFound for a text that is no UUID."""
    try:
        return UUID(request.match_info[name])
    except ValueError:
        raise NotFound("there is nothing under this id") from None


def read_user_id(request: web.Request) -> UUID:
    """Return the `user_id` of the path. Raises NotFound for a text that is no UUID."""
    return read_path_id(request, "user_id")


def read_query(request: web.Request, kind: type[T]) -> T:
    """Return the query of the URL as a Struct.

    Raises Invalid for a parameter that is unknown, repeated or wrong.
    """
    parameters = dict(request.query)
    if len(parameters) < len(request.query):
        raise Invalid([Fault("", "a parameter is given twice")])
    try:
        return msgspec.convert(parameters, kind, strict=False)
    except msgspec.ValidationError as error:
        detail, _, path = str(error).partition(" - at `$.")
        raise Invalid([Fault(f"/{path.rstrip('`')}" if path else "", detail)]) from None


def parse_parameter(name: str, text: str, parse: Callable[[str], T]) -> T:
    """Return `parse(text)`. Raises Invalid with a pointer to `name` where that raises ValueError."""
    try:
        return parse(text)
    except ValueError as error:
        raise Invalid([Fault(f"/{name}", str(error))]) from None
