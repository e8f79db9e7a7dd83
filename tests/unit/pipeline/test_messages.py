"""What may travel through the broker."""

from __future__ import annotations

import msgspec
import pytest

from pipeline.errors import InvalidMessage
from pipeline.transactions.chunk import decode, encode
from tests.unit.pipeline.builders import Ingest, Push, Remove, chunk


@pytest.fixture
def message():
    return chunk(Ingest([Push("t1"), Push("t2", "bob.card"), Remove("t0")]))


def test_a_chunk_travels_unchanged(message):
    envelope = decode(encode(message, "ingest", 1))
    assert envelope.args == (message,)
    assert envelope.queue_name == "ingest"


def test_a_chunk_shows_its_sizes_and_nothing_else(message):
    assert "BLUE BOTTLE" not in repr(message)
    assert "rows=2 removals=1" in f"{message} {message!r}"


@pytest.mark.parametrize(
    "change",
    [
        {"schema": 2},
        {"description": ["one"]},
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
    broken = msgspec.structs.replace(message, **change)
    with pytest.raises(InvalidMessage):
        decode(encode(broken, "ingest", 1))


@pytest.mark.parametrize("body", [b"", b"\xc1", b"{}", b"\x80", b"\x91" * 5000, b'{"args": []}'])
def test_garbage_is_refused(body):
    with pytest.raises(InvalidMessage):
        decode(body)
