"""A chunk travels in the envelope of a dramatiq message, which is encoded in msgpack."""

from __future__ import annotations

from typing import Any, Final, Generic, TypeVar
from uuid import UUID

import msgspec

from pipeline.errors import InvalidMessage
from pipeline.transactions.chunk import SCHEMA, Chunk
from pipeline.transactions.first_chunk import FIRST_SCHEMA, FirstChunk

ACTOR: Final = "categorize"
MAX_BYTES: Final = 16 * 1024 * 1024  # bytes of one message that RabbitMQ 4 takes by default


C = TypeVar("C")


class Envelope(msgspec.Struct, Generic[C], frozen=True, forbid_unknown_fields=True):
    """A dramatiq message; the keys are dramatiq's, times are milliseconds."""

    queue_name: str
    actor_name: str
    args: tuple[C]
    kwargs: dict[str, Any]
    options: dict[str, Any]
    message_id: str
    message_timestamp: int


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Envelope[Chunk])
_first_decoder = msgspec.msgpack.Decoder(Envelope[FirstChunk])


def encode_envelope(chunk: Chunk, queue_name: str, timestamp_ms: int) -> bytes:
    """The message body that dramatiq's workers accept; the chunk id is the message id."""
    message_id = str(UUID(bytes=chunk.chunk_id))
    return _encoder.encode(Envelope(queue_name, ACTOR, (chunk,), {}, {}, message_id, timestamp_ms))


def decode_envelope(body: bytes) -> Envelope[Chunk]:
    """Read and check a message body. Raises InvalidMessage, which never quotes the body."""
    try:
        envelope = _decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise InvalidMessage(f"not a chunk message: {type(error).__name__}") from None
    (chunk,) = envelope.args
    if chunk.schema != SCHEMA:
        raise InvalidMessage(f"chunk schema {chunk.schema}; this version reads up to {SCHEMA}")
    chunk.check()
    return envelope


def _decode(body: bytes) -> Envelope[Chunk]:
    try:
        return _decoder.decode(body)
    except msgspec.ValidationError:
        first = _first_decoder.decode(body)
    (chunk,) = first.args
    if chunk.schema != FIRST_SCHEMA:
        raise msgspec.ValidationError
    fields: dict[str, Any] = msgspec.structs.asdict(first)
    return Envelope(**fields | {"args": (chunk.to_chunk(),)})
