"""`Idempotency-Key`: a repeated POST gets the first answer and is not carried out again.

Answers may hold secrets such as a new token, and a small body can be guessed from its digest.
The answer is therefore encrypted, and the digest keyed, with the caller's token. PostgreSQL keeps
only a digest of that token.

An answer that was altered, moved to another key or kept by an earlier version cannot be read.
Its request was carried out and is not carried out again; the repetition gets status 410.
"""

from __future__ import annotations

import hmac
import logging
import os
import re
from collections.abc import Awaitable, Callable
from hashlib import sha256
from http import HTTPStatus
from typing import Final, cast

import msgspec
from aiohttp import hdrs, web
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from api.http.bodies import INTAKE, read_raw_body
from api.http.problems import Conflict, Fault, Gone, Invalid, render_problem
from api.http.requests import PRINCIPAL, REQUEST_ID, read_bearer
from api.services import IDEMPOTENCY
from pipeline.access.idempotency import Key, KeyClaim

HEADER: Final = "Idempotency-Key"
REPLAYED: Final = "Idempotency-Replayed"
KEY_PATTERN: Final = r"[\x20-\x7e]{1,255}"
_NONCE: Final = 12
_PURPOSE: Final = b"spendline: answers kept for idempotency keys"
_KEPT_HEADERS: Final = (hdrs.CONTENT_TYPE, hdrs.LOCATION)

logger = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class KeptAnswer(msgspec.Struct, array_like=True):
    """An answer in the encrypted form's plain text, as MessagePack."""

    status: int
    headers: dict[str, str]
    body: bytes


@web.middleware
async def answer_once(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Run a POST with a key once, and repeat its answer for 24 hours.

    Raises Invalid for a key of another request, Conflict while the first runs, or Gone.
    """
    if (
        request.method != hdrs.METH_POST
        or HEADER not in request.headers
        or PRINCIPAL not in request
    ):
        return await handler(request)
    keys, key, secret = request.app[IDEMPOTENCY], _read_key(request), read_bearer(request).encode()
    with request.app[INTAKE].reserve_room(request):
        digest = _digest_request(request, await read_raw_body(request), secret)
        claim = await keys.claim_key(key, digest)
    place = key.token_id.bytes + digest + key.text.encode()
    if claim.ours is None:
        return _replay_answer(request, claim, secret, place)
    try:
        response = await _run_handler(request, handler)
    except Exception:
        await keys.release_key(key, claim.ours)
        raise
    await keys.keep_answer(key, claim.ours, _seal_response(response, secret, place))
    return response


def seal_answer(plain: bytes, secret: bytes, place: bytes) -> bytes:
    """Encrypt with AES-256-GCM; opening takes the `secret` and the `place`."""
    nonce = os.urandom(_NONCE)
    return nonce + _derive_cipher(secret).encrypt(nonce, plain, place)


def open_answer(sealed: bytes, secret: bytes, place: bytes) -> bytes:
    """Decrypt an answer. Raises InvalidTag for another secret or place, or an altered byte."""
    if len(sealed) < _NONCE:
        raise InvalidTag
    return _derive_cipher(secret).decrypt(sealed[:_NONCE], sealed[_NONCE:], place)


def _derive_cipher(secret: bytes) -> AESGCM:
    return AESGCM(HKDF(SHA256(), length=32, salt=None, info=_PURPOSE).derive(secret))


def _read_key(request: web.Request) -> Key:
    values = request.headers.getall(HEADER)
    if len(values) > 1 or not re.fullmatch(KEY_PATTERN, values[0]):
        raise Invalid([Fault("", f"{HEADER} must be one of 1 to 255 printable ASCII characters")])
    return Key(request[PRINCIPAL].token_id, values[0])


def _digest_request(request: web.Request, body: bytes, secret: bytes) -> bytes:
    """Digest everything that the answer depends on, keyed with the secret."""
    said = (request.headers.get(name, "") for name in (hdrs.CONTENT_TYPE, hdrs.CONTENT_ENCODING))
    head = "\n".join((request.method, request.raw_path, *said)).encode("utf-8", "surrogateescape")
    return hmac.digest(secret, sha256(head).digest() + body, "sha256")


async def _run_handler(request: web.Request, handler: Handler) -> web.Response:
    """Return the answer, also a refusal; an error with a status of 500 or more is raised."""
    try:
        response = await handler(request)
    except Exception as error:
        response = render_problem(error, request[REQUEST_ID])
        if response.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            raise
    return cast("web.Response", response)


def _seal_response(response: web.Response, secret: bytes, place: bytes) -> bytes:
    headers = {
        str(name): response.headers[name] for name in _KEPT_HEADERS if name in response.headers
    }
    kept = KeptAnswer(response.status, headers, bytes(cast("bytes", response.body)))
    return seal_answer(msgspec.msgpack.encode(kept), secret, place)


def _replay_answer(
    request: web.Request, claim: KeyClaim, secret: bytes, place: bytes
) -> web.Response:
    if not claim.same:
        raise Invalid([Fault("", f"the {HEADER} stands for another request")])
    if claim.answer is None:
        raise Conflict(f"the request with this {HEADER} is still running")
    try:
        kept = msgspec.msgpack.decode(open_answer(claim.answer, secret, place), type=KeptAnswer)
    except InvalidTag:
        logger.warning("request %s: the answer kept for its key is unreadable", request[REQUEST_ID])
        raise Gone(
            f"the request with this {HEADER} was carried out, but its answer cannot be read: "
            "look at what it did before you send it with another key"
        ) from None
    return web.Response(
        status=kept.status, body=kept.body, headers=kept.headers | {REPLAYED: "true"}
    )
