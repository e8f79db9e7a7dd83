"""What travels through the broker: columnar chunks of transactions in a dramatiq envelope.

A chunk carries rows of one or more ingests. Columns of numbers are little-endian arrays in
bytes; texts are lists; a column that is empty for all rows is absent (None). The envelope is
dramatiq's own (same keys), in msgpack, and nothing else enters the queue.
"""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InvalidMessage

SCHEMA: Final = 1
ACTOR: Final = "categorize"
MAX_BYTES: Final = 16 * 1024 * 1024  # that RabbitMQ 4 takes of one message, unless told otherwise
NO_DATE: Final = np.iinfo(np.int32).min


class Part(msgspec.Struct, frozen=True, array_like=True):
    """The rows and removals of one ingest within a chunk: slices of the chunk's columns."""

    ingest_id: bytes  # UUIDv7, 16 bytes; its time orders changes of one transaction
    number: int  # which part of the ingest, from 0
    rows: int
    removals: int


class Chunk(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Up to some ten thousand rows, in the order in which their ingests were accepted.

    `account` and `currency` are positions in the dictionaries before them, `date` and
    `authorized` are days since 1970-01-01 (NO_DATE: none), `amount` is minor units.
    """

    schema: int
    chunk_id: bytes  # UUIDv7, 16 bytes
    parts: list[Part]
    accounts: list[bytes]  # distinct account ids, 16 bytes each
    users: list[bytes]  # the user of each of these accounts
    currencies: list[str]
    account: bytes  # int32[rows]
    currency: bytes  # uint8[rows]
    date: bytes  # int32[rows]
    amount: bytes  # int64[rows]
    pending: bytes  # bool[rows]
    transaction_id: list[str]
    description: list[str]
    mcc: bytes | None = None  # int16[rows], 0: none
    authorized: bytes | None = None  # int32[rows]
    merchant_name: list[str | None] | None = None
    pending_transaction_id: list[str | None] | None = None
    provider_category: list[str | None] | None = None
    metadata: list[str | None] | None = None  # JSON objects, as text
    removed_account: bytes = b""  # int32[removals]
    removed_transaction_id: list[str] = []
    trace: dict[str, str] = {}  # the request of each ingest (hexadecimal), and `traceparent`

    def __repr__(self) -> str:
        """Sizes only: a description must never reach a log."""
        return (
            f"<Chunk {UUID(bytes=self.chunk_id)} rows={len(self.transaction_id)} "
            f"removals={len(self.removed_transaction_id)} ingests={len(self.parts)}>"
        )

    __str__ = __repr__

    def __len__(self) -> int:
        return len(self.transaction_id)

    def check(self) -> None:
        """Raise InvalidMessage unless all columns agree in length and every index is in range."""
        rows, removals = len(self), len(self.removed_transaction_id)
        agree = (
            len(self.description) == rows
            and len(self.chunk_id) == 16
            and len(self.users) == len(self.accounts)
            and sum(p.rows for p in self.parts) == rows
            and sum(p.removals for p in self.parts) == removals
            and all(len(column) == rows for column in self._optional_texts())
            and _in_range(self.account, np.int32, rows, len(self.accounts))
            and _in_range(self.currency, np.uint8, rows, len(self.currencies))
            and _in_range(self.removed_account, np.int32, removals, len(self.accounts))
            and len(self.date) == 4 * rows
            and len(self.amount) == 8 * rows
            and len(self.pending) == rows
            and len(self.mcc or b"") in (0, 2 * rows)
            and len(self.authorized or b"") in (0, 4 * rows)
        )
        if not agree:
            raise InvalidMessage("the chunk's columns do not agree in length")

    def _optional_texts(self) -> list[list[str | None]]:
        columns = (
            self.merchant_name,
            self.pending_transaction_id,
            self.provider_category,
            self.metadata,
        )
        return [column for column in columns if column is not None]


class Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A dramatiq message; the keys are dramatiq's, times are milliseconds."""

    queue_name: str
    actor_name: str
    args: tuple[Chunk]
    kwargs: dict[str, Any]
    options: dict[str, Any]
    message_id: str
    message_timestamp: int


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Envelope)


def encode(chunk: Chunk, queue_name: str, timestamp_ms: int) -> bytes:
    """The message body that dramatiq's workers accept; the chunk id is the message id."""
    message_id = str(UUID(bytes=chunk.chunk_id))
    return _encoder.encode(Envelope(queue_name, ACTOR, (chunk,), {}, {}, message_id, timestamp_ms))


def decode(body: bytes) -> Envelope:
    """Read and check a message body; InvalidMessage says what is wrong without quoting it."""
    try:
        envelope = _decoder.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise InvalidMessage(f"not a chunk message: {type(error).__name__}") from None
    (chunk,) = envelope.args
    if chunk.schema != SCHEMA:
        raise InvalidMessage(f"chunk schema {chunk.schema}; this version reads {SCHEMA}")
    chunk.check()
    return envelope


def column(data: bytes, dtype: type[np.generic]) -> NDArray[Any]:
    """A read-only array over the bytes of a numeric column."""
    return np.frombuffer(data, dtype=dtype)


def _in_range(data: bytes, dtype: type[np.generic], rows: int, size: int) -> bool:
    if len(data) != rows * np.dtype(dtype).itemsize:
        return False
    values = column(data, dtype)
    return not rows or bool(values.min() >= 0 and values.max() < size)
