"""Binary COPY data, read back field by field as PostgreSQL does."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.store import binary_copy


def encode(columns, nulls):
    names, data = binary_copy.encode(columns, nulls)
    return names, bytes(data)


def decoded(data: bytes) -> list[list[bytes | None]]:
    assert data.startswith(b"PGCOPY\n\xff\r\n\0" + bytes(8))
    at, rows = 19, []
    while (count := struct.unpack_from(">h", data, at)[0]) != -1:
        at, row = at + 2, []
        for _ in range(count):
            (length,) = struct.unpack_from(">i", data, at)
            at += 4
            row.append(None if length < 0 else data[at : at + length])
            at += max(length, 0)
        rows.append(row)
    assert at + 2 == len(data)
    return rows


@settings(deadline=None)  # the first run may compile
@given(
    st.lists(
        st.tuples(
            st.integers(-(2**63), 2**63 - 1), st.integers(-9, 9), st.none() | st.text(max_size=5)
        ),
        min_size=1,
        max_size=30,
    )
)
def test_every_value_comes_back(rows):
    # Given a column of numbers, one of numbers with NULLs, and one of texts with NULLs
    numbers, maybe, texts = zip(*rows, strict=True)
    columns = {
        "text": list(texts),
        "number": np.array(numbers, ">i8"),
        "maybe": np.array(maybe, ">i2"),
    }
    # When they are encoded with 0 for NULL
    names, data = encode(columns, {"maybe": 0})
    # Then each row reads back as it was
    expected = [
        {
            "number": struct.pack(">q", number),
            "maybe": struct.pack(">h", small) if small else None,
            "text": None if text is None else text.encode(),
        }
        for number, small, text in rows
    ]
    assert [dict(zip(names, row, strict=True)) for row in decoded(data)] == expected


@pytest.mark.parametrize("text", ["same", "", None])
def test_texts_that_are_all_the_same_join_the_block(text):
    names, data = encode({"t": [text] * 3, "n": np.array([1, 2, 3], ">i4")}, {})
    assert [row[names.index("t")] for row in decoded(data)] == [
        None if text is None else text.encode()
    ] * 3
