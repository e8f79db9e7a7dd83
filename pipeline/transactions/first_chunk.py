"""Chunks of the first schema, in which each column was a field of the message.

Dead letters of version 0.1 hold such chunks; this version only reads them.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from pipeline.transactions.chunk import SCHEMA, Chunk, Part

FIRST_SCHEMA: Final = 1
_RENAMED: Final = {"date": "booked_on", "authorized": "authorized_on"}
_HEADER: Final = (
    "chunk_id",
    "parts",
    "accounts",
    "users",
    "currencies",
    "account",
    "currency",
    "removed_account",
    "removed_transaction_id",
    "trace",
)


class FirstChunk(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Its fields have the meaning of those of `Chunk` and of the columns of a transaction."""

    schema: int
    chunk_id: bytes
    parts: list[Part]
    accounts: list[bytes]
    users: list[bytes]
    currencies: list[str]
    account: bytes
    currency: bytes
    date: bytes
    amount: bytes
    pending: bytes
    transaction_id: list[str]
    description: list[str]
    mcc: bytes | None = None
    authorized: bytes | None = None
    merchant_name: list[str | None] | None = None
    pending_transaction_id: list[str | None] | None = None
    provider_category: list[str | None] | None = None
    metadata: list[str | None] | None = None
    removed_account: bytes = b""
    removed_transaction_id: list[str] = []
    trace: dict[str, str] = {}

    def to_chunk(self) -> Chunk:
        """The chunk in the schema that this version works with."""
        fields: dict[str, Any] = msgspec.structs.asdict(self)
        header = {name: fields.pop(name) for name in _HEADER}
        del fields["schema"]
        columns = {_RENAMED.get(name, name): v for name, v in fields.items() if v is not None}
        return Chunk(schema=SCHEMA, columns=columns, **header)
