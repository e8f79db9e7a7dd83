"""Ingest ids and cursors: signed texts that clients send back to us.

Each carries its own facts. Issuing one writes nothing, and a forged one is refused without a query.
"""

from __future__ import annotations

import hmac
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from typing import NamedTuple

import msgspec

_TAG = 10  # bytes; a guess succeeds with a probability of 2^-80
_TICKET = struct.Struct(">16sHHH16s")
NO_OWNER = bytes(16)

Value = int | str


class Ticket(NamedTuple):
    """The facts of an ingest id: its UUIDv7, its parts, accepted rows and removals, and its owner.

    `owner` is the only user of the ingest (16 bytes), or NO_OWNER.
    """

    ingest: bytes
    parts: int
    accepted: int
    removed: int
    owner: bytes = NO_OWNER


class Signer:
    """Signs and reads tickets and cursors with the key of one database."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def make_ingest_id(self, ticket: Ticket) -> str:
        return self._seal(b"ingest", _TICKET.pack(*ticket))

    def read_ingest_id(self, text: str) -> Ticket:
        """Read an ingest id. Raises ValueError unless this key has signed it."""
        body = self._open(b"ingest", text)
        return Ticket(*_TICKET.unpack(body))

    def make_cursor(self, user_id: bytes, kind: str, values: tuple[Value, ...]) -> str:
        return self._seal(user_id + kind.encode(), msgspec.msgpack.encode(values))

    def read_cursor(self, text: str, user_id: bytes, kind: str) -> list[Value]:
        """Read a cursor. Raises ValueError when it is forged, or of another user or kind."""
        body = self._open(user_id + kind.encode(), text)
        return msgspec.msgpack.decode(body, type=list[Value])

    def _tag(self, purpose: bytes, body: bytes) -> bytes:
        message = struct.pack(">H", len(purpose)) + purpose + body
        return hmac.digest(self._key, message, "sha256")[:_TAG]

    def _seal(self, purpose: bytes, body: bytes) -> str:
        return urlsafe_b64encode(self._tag(purpose, body) + body).rstrip(b"=").decode()

    def _open(self, purpose: bytes, text: str) -> bytes:
        try:
            raw = urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        except (Base64Error, UnicodeEncodeError):
            raise ValueError("malformed") from None
        tag, body = raw[:_TAG], raw[_TAG:]
        if not hmac.compare_digest(tag, self._tag(purpose, body)):
            raise ValueError("not ours")
        return body
