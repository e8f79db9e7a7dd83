"""`Idempotency-Key`: a POST that is sent again is answered again, and not done again.

Answers may hold secrets (a new token), and a digest of a small body can be guessed. So both are
made with the caller's own token, of which only a digest is kept: without it they tell nothing.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Awaitable, Callable
from hashlib import sha256, shake_256
from http import HTTPStatus
from typing import Final, cast

import msgspec
from aiohttp import hdrs, web

from api.bodies import read_raw
from api.problems import Conflict, Fault, Invalid, response_to
from api.services import PRINCIPAL, REQUEST_ID, bearer, services
from pipeline.idempotency import Claim, Key

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotency-Replayed"
KEY_PATTERN: Final = r"[\x20-\x7e]{1,255}"
_NONCE: Final = 16
_KEPT_HEADERS: Final = (hdrs.CONTENT_TYPE, hdrs.LOCATION)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Kept(msgspec.Struct, array_like=True):
    """An answer as it is kept."""

    status: int
    headers: dict[str, str]
    body: bytes


@web.middleware
async def answer_once(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Run a POST with a key once; give its answer for 24 h to whoever sends the same again."""
    if (
        request.method != hdrs.METH_POST
        or HEADER not in request.headers
        or PRINCIPAL not in request
    ):
        return await handler(request)
    found, key, secret = services(request), _key(request), bearer(request).encode()
    with found.intake.room_for(request):
        digest = _digest(request, await read_raw(request), secret)
        claim = await found.keys.claim(key, digest)
    if claim.ours is None:
        return _replay(claim, secret)
    try:
        response = await _answer(request, handler)
    except Exception:
        await found.keys.release(key, claim.ours)
        raise
    await found.keys.keep(key, claim.ours, _sealed(response, secret, claim.ours.bytes))
    return response


def seal(plain: bytes, secret: bytes, nonce: bytes) -> bytes:
    """`plain` under a key stream of the secret; a nonce serves once. Again: the plain bytes."""
    stream = shake_256(secret + nonce).digest(len(plain))
    mixed = int.from_bytes(plain) ^ int.from_bytes(stream)
    return mixed.to_bytes(len(plain))


def _key(request: web.Request) -> Key:
    given = request.headers.getall(HEADER)
    if len(given) > 1 or not re.fullmatch(KEY_PATTERN, given[0]):
        raise Invalid([Fault("", f"{HEADER} must be one of 1 to 255 printable ASCII characters")])
    return Key(request[PRINCIPAL].token_id, given[0])


def _digest(request: web.Request, body: bytes, secret: bytes) -> bytes:
    """Of all that the answer depends on."""
    said = (request.headers.get(name, "") for name in (hdrs.CONTENT_TYPE, hdrs.CONTENT_ENCODING))
    head = "\n".join((request.method, request.raw_path, *said)).encode("utf-8", "surrogateescape")
    return hmac.digest(secret, sha256(head).digest() + body, "sha256")


async def _answer(request: web.Request, handler: Handler) -> web.Response:
    """The answer. Refusals are answers too; what another try can mend is raised."""
    try:
        response = await handler(request)
    except Exception as error:
        response = response_to(error, request[REQUEST_ID])
        if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise
    return cast("web.Response", response)


def _sealed(response: web.Response, secret: bytes, nonce: bytes) -> bytes:
    headers = {
        str(name): response.headers[name] for name in _KEPT_HEADERS if name in response.headers
    }
    kept = Kept(response.status, headers, bytes(cast("bytes", response.body)))
    return nonce + seal(msgspec.msgpack.encode(kept), secret, nonce)


def _replay(claim: Claim, secret: bytes) -> web.Response:
    if not claim.same:
        raise Invalid([Fault("", f"the {HEADER} stands for another request")])
    if claim.answer is None:
        raise Conflict(f"the request with this {HEADER} is still running")
    nonce, sealed = claim.answer[:_NONCE], claim.answer[_NONCE:]
    kept = msgspec.msgpack.decode(seal(sealed, secret, nonce), type=Kept)
    return web.Response(
        status=kept.status, body=kept.body, headers=kept.headers | {REPLAYED: "true"}
    )
