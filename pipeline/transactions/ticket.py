"""Opaque texts that we hand out and get back: ingest ids and cursors, signed.

They carry their own facts, so handing one out writes nothing, and a forged one is refused
without asking a server.
"""

from __future__ import annotations

import hmac
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from typing import NamedTuple

import msgspec

_TAG = 10  # bytes: 2^-80 to guess one
_TICKET = struct.Struct(">16sHHH16s")
NO_OWNER = bytes(16)

Value = int | str


class Ticket(NamedTuple):
    """What an ingest id says: its UUIDv7, its number of parts, what was accepted, and of whom.

    `owner` is the only user of the ingest (16 bytes), or NO_OWNER.
    """

    ingest: bytes
    parts: int
    accepted: int
    removed: int
    owner: bytes = NO_OWNER


class Signer:
    """Signs and reads tickets with one key; two systems with one database share it."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def ingest_id(self, ticket: Ticket) -> str:
        return self._seal(b"ingest", _TICKET.pack(*ticket))

    def read_ingest_id(self, text: str) -> Ticket:
        """ValueError unless `text` is an ingest id of ours."""
        body = self._open(b"ingest", text)
        return Ticket(*_TICKET.unpack(body))

    def cursor(self, user_id: bytes, kind: str, values: tuple[Value, ...]) -> str:
        return self._seal(user_id + kind.encode(), msgspec.msgpack.encode(values))

    def read_cursor(self, text: str, user_id: bytes, kind: str) -> list[Value]:
        """The values; ValueError when tampered with, or of another user or kind."""
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
