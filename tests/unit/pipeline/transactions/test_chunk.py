"""What may travel through the broker."""

from __future__ import annotations

import msgspec
import pytest

from pipeline.errors import InvalidMessage
from pipeline.transactions.chunk import Chunk
from pipeline.transactions.envelope import Envelope, decode_envelope, encode_envelope
from pipeline.transactions.first_chunk import FirstChunk
from tests.unit.pipeline.builders import Ingest, Push, Remove, chunk


@pytest.fixture
def message():
    return chunk(Ingest([Push("t1"), Push("t2", "bob.card"), Remove("t0")]))


def test_a_chunk_travels_unchanged(message):
    envelope = decode_envelope(encode_envelope(message, "ingest", 1))
    assert envelope.args == (message,)
    assert envelope.queue_name == "ingest"


def test_a_chunk_shows_its_sizes_and_nothing_else(message):
    assert "BLUE BOTTLE" not in repr(message)
    assert "rows=2 removals=1" in f"{message} {message!r}"


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 3},
        {"description": ["one"]},
        {"description": ["one", None]},
        {"description": bytes(2)},
        {"unheard": ["one", "two"]},
        {"account": b"\x05\0\0\0\0\0\0\0"},
        {"amount": b""},
        {"parts": []},
        {"removed_account": b""},
        {"users": []},
        {"mcc": b"\0"},
        {"metadata": []},
    ],
)
def test_a_chunk_that_does_not_agree_with_itself_is_refused(message, change):
    fields = {name: change[name] for name in change if name in Chunk.__struct_fields__}
    columns = {name: change[name] for name in change if name not in fields}
    broken = msgspec.structs.replace(message, columns=message.columns | columns, **fields)
    with pytest.raises(InvalidMessage):
        decode_envelope(encode_envelope(broken, "ingest", 1))


@pytest.mark.parametrize("body", [b"", b"\xc1", b"{}", b"\x80", b"\x91" * 5000, b'{"args": []}'])
def test_garbage_is_refused(body):
    with pytest.raises(InvalidMessage):
        decode_envelope(body)


def test_a_chunk_of_the_first_schema_is_read(message):
    # Given a message as version 0.1 wrote it
    fields = {n: getattr(message, n) for n in ("chunk_id", "parts", "accounts", "users")}
    fields |= {n: getattr(message, n) for n in ("currencies", "account", "currency")}
    fields |= {n: getattr(message, n) for n in ("removed_account", "removed_transaction_id")}
    columns = {**message.columns}
    first = FirstChunk(schema=1, date=columns.pop("booked_on"), **fields, **columns)
    envelope = Envelope("ingest", "categorize", (first,), {}, {}, "id", 1)
    # When it is read
    (chunk,) = decode_envelope(msgspec.msgpack.encode(envelope)).args
    # Then it is the chunk that this version writes
    assert chunk == message
