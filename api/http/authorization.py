"""Who calls, and whether the route's line in the table allows it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final
from uuid import UUID

from aiohttp import web
from async_lru import alru_cache

from api.http.problems import Forbidden, NotFound, TooMany, Unauthenticated
from api.http.rate_limits import QUOTA, RATE_LIMITS
from api.http.requests import PRINCIPAL, read_bearer
from api.http.routing import Binding, Route, find_route
from api.services import CLOCK
from pipeline.access.tokens import Principal, Tokens, digest_token

_MAX_TOKENS: Final = 10_000

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class TokenHolders:
    """The principals of the tokens used last; failed look-ups are not kept.

    A revoked token works for at most `seconds` after its last look-up.
    """

    def __init__(self, tokens: Tokens, seconds: float) -> None:
        self._authenticate = alru_cache(maxsize=_MAX_TOKENS, ttl=seconds)(tokens.authenticate)

    async def find_holder(self, text: str) -> Principal | None:
        """Return who holds the token, or None. Concurrent requests ask PostgreSQL once."""
        return await self._authenticate(digest_token(text))


TOKEN_HOLDERS: Final = web.AppKey("token_holders", TokenHolders)


@web.middleware
async def authorize_request(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Run the handler only for a caller that the route allows.

    Raises Unauthenticated, TooMany, Forbidden or NotFound.
    """
    route = find_route(request)
    if route is not None and route.scopes is not None:
        principal = await _find_principal(request)
        await _require_quota(principal, request)
        _require_scope(route, principal)
        _require_user(route, principal, request)
        request[PRINCIPAL] = principal
    return await handler(request)


async def _find_principal(request: web.Request) -> Principal:
    principal = await request.app[TOKEN_HOLDERS].find_holder(read_bearer(request))
    if principal is None:
        raise Unauthenticated("the token is not valid")
    if principal.expires_at is not None and principal.expires_at <= request.app[CLOCK].now():
        raise Unauthenticated("the token has expired")
    return principal


async def _require_quota(principal: Principal, request: web.Request) -> None:
    quota = await request.app[RATE_LIMITS].count_request(principal.token_id)
    if quota is not None:
        request[QUOTA] = quota
        if quota.is_exceeded:
            raise TooMany(f"more than {quota.limit} requests in {quota.window} s")


def _require_scope(route: Route, principal: Principal) -> None:
    if route.scopes is not None and not route.scopes & principal.scopes:
        raise Forbidden(f"the token needs the scope {' or '.join(sorted(route.scopes))}")


def _require_user(route: Route, principal: Principal, request: web.Request) -> None:
    if principal.user_id is None:
        return
    if route.binding is Binding.UNBOUND:
        raise Forbidden("the token is bound to one user")
    if route.binding is Binding.PATH and not _is_user(
        principal.user_id, request.match_info["user_id"]
    ):
        raise NotFound("there is nothing under this id")


def _is_user(user_id: UUID, text: str) -> bool:
    try:
        return UUID(text) == user_id
    except ValueError:
        return False
