"""Request bodies: from the wire to bytes, and from bytes to Structs.

This module unpacks gzip instead of the server, which neither refuses a truncated stream nor
bounds the size of the unpacked body.
"""

from __future__ import annotations

import asyncio
import json
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NoReturn, TypeVar

import msgspec
from aiohttp import web
from aiohttp.web_protocol import RequestPayloadError

from api.http.problems import Fault, Invalid, Malformed, Overloaded, TooLarge, TooSlow, Unsupported
from pipeline.transactions.money import MAX_BODY

T = TypeVar("T")

JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"
_BODY_SECONDS: Final = 30
_BOM: Final = b"\xef\xbb\xbf"
_PATH_STEP: Final = re.compile(r"\.(\w+)|\[(\d+)\]|\[\.\.\.\]")


class Intake:
    """Bounds the memory of bodies that are being received and checked at the same time."""

    def __init__(self, room: int) -> None:
        self._room = room

    @contextmanager
    def reserve_room(self, request: web.Request) -> Iterator[None]:
        """Reserve the bytes that the request may hold. Raises Overloaded when too few are left."""
        is_exact = request.content_length is not None and "Content-Encoding" not in request.headers
        size = min(request.content_length or 0, MAX_BODY) if is_exact else MAX_BODY
        if size > self._room:
            raise Overloaded("too many bodies are being received")
        self._room -= size
        try:
            yield
        finally:
            self._room += size


INTAKE: Final = web.AppKey("intake", Intake)


async def read_json(request: web.Request, kind: type[T]) -> T:
    """Return the JSON body as a Struct. Raises Malformed, TooLarge, TooSlow, Unsupported or Invalid."""
    require_content_type(request, JSON)
    body = await read_body(request)
    value = decode_json(msgspec.json.Decoder(kind), body)
    refuse_repeated_keys(body)
    return value


def require_content_type(request: web.Request, *accepted: str) -> str:
    """Return the content type. Raises Unsupported for another type or a charset other than UTF-8."""
    if request.content_type not in accepted:
        raise Unsupported(f"the content type must be {' or '.join(accepted)}")
    if (request.charset or "utf-8").lower() not in {"utf-8", "utf8"}:
        raise Unsupported("the charset must be UTF-8")
    return request.content_type


async def read_body(request: web.Request) -> bytes:
    """Return the unpacked body. Raises TooLarge above MAX_BODY bytes."""
    coding = ",".join(request.headers.getall("Content-Encoding", ())).strip().lower()
    if coding not in {"", "identity", "gzip", "x-gzip"}:
        raise Unsupported("the content coding must be gzip or identity, once")
    body = await read_raw_body(request)
    return unpack_gzip(body, MAX_BODY) if coding.endswith("gzip") else body


async def read_raw_body(request: web.Request) -> bytes:
    """Return the body as it was sent; a second call returns it again."""
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            return await request.read()
    except TimeoutError:
        raise TooSlow(f"the body did not arrive within {_BODY_SECONDS} s") from None
    except (ConnectionError, RequestPayloadError):
        raise Malformed("the body broke off") from None


def unpack_gzip(data: bytes, limit: int) -> bytes:
    """Unpack exactly one whole gzip member. Raises TooLarge above `limit` bytes, or Malformed."""
    stream = zlib.decompressobj(wbits=31)
    try:
        plain = stream.decompress(data, limit + 1)
    except zlib.error:
        raise Malformed("the body is not gzip") from None
    if len(plain) > limit:
        raise TooLarge(f"the body unpacks to more than {limit} bytes")
    if not stream.eof:
        raise Malformed("the gzip body is truncated")
    if stream.unused_data:
        raise Malformed("something follows the end of the gzip body")
    return plain


def decode_json(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    """Decode a body. Raises Malformed for what is no JSON, Invalid for JSON of a wrong shape."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        raise Invalid([locate_fault(error)]) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        refuse_malformed(body, error)


def refuse_malformed(body: bytes, error: Exception) -> NoReturn:
    """Raise Malformed, which says why the body is no JSON."""
    if body.startswith(_BOM):
        raise Malformed("the body starts with a byte order mark") from None
    match error:
        case RecursionError():
            raise Malformed("the JSON is nested too deeply") from None
        case UnicodeDecodeError():
            raise Malformed("the body is not UTF-8") from None
    raise Malformed(f"the body is not JSON: {error}") from None


def locate_fault(error: msgspec.ValidationError, base: str = "") -> Fault:
    """Return an error of msgspec as a Fault; its path becomes a JSON Pointer below `base`."""
    detail, _, path = str(error).partition(" - at `")
    steps = (name or index for name, index in _PATH_STEP.findall(path))
    return Fault("/".join((base, *steps)), detail)


def refuse_repeated_keys(body: bytes) -> None:
    """Raise Malformed when an object of the JSON text in `body` has a key twice."""
    json.loads(body, object_pairs_hook=_refuse_repeated, parse_int=str, parse_float=str)


def _refuse_repeated(pairs: list[tuple[str, Any]]) -> None:
    if len({key for key, _ in pairs}) < len(pairs):
        raise Malformed("an object has the same key twice")
