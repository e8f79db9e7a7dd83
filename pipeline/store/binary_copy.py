"""PostgreSQL's binary COPY format, encoded from whole columns with almost no Python per row.

A column is an array of big-endian fixed-width elements, or a list of texts. Fixed-width columns and
values that all rows share form one block of records, which is filled column by column. The fields of
other columns are joined, and one compiled loop interleaves both into rows. The order of columns in a
COPY is free, so the block comes first.
Format: https://www.postgresql.org/docs/15/sql-copy.html, "Binary Format".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from pipeline.store.interleave import load_interleave
from pipeline.transactions.columns import Values

_HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER: Final = b"\xff\xff"
_NULL: Final = b"\xff\xff\xff\xff"


class Fields(NamedTuple):
    """A column whose fields differ in length: their joined bytes and lengths, -1 for NULL."""

    data: bytes
    lengths: NDArray[np.int32]


def encode(columns: Mapping[str, Values], nulls: Mapping[str, int]) -> tuple[list[str], memoryview]:
    """The column names in their order, and the data of a binary COPY of n >= 1 rows.

    `nulls` maps a fixed-width column to the element that stands for NULL.
    """
    fixed: dict[str, NDArray[Any] | bytes] = {}
    varying: dict[str, Fields] = {}
    for name, column in columns.items():
        fields = (
            _encode_texts(column)
            if isinstance(column, list)
            else _encode_elements(column, nulls.get(name))
        )
        if isinstance(fields, Fields):
            varying[name] = fields
        else:
            fixed[name] = fields
    rows = len(next(iter(columns.values())))
    block = _build_block(fixed, len(columns), rows)
    return [*fixed, *varying], _join_rows(block, list(varying.values()))


def _join_rows(block: NDArray[np.uint8], varying: list[Fields]) -> memoryview:
    """The header, the rows of the block with their varying fields, and the trailer."""
    lengths = np.array([fields.lengths for fields in varying], np.int32).reshape(-1, len(block))
    sizes = np.maximum(lengths, 0)
    ends = np.cumsum(sizes, dtype=np.int64).reshape(sizes.shape)
    joined = np.frombuffer(bytearray().join([fields.data for fields in varying]), np.uint8)
    size = block.size + 4 * lengths.size + len(joined)
    data = np.empty(len(_HEADER) + size + len(_TRAILER), np.uint8)
    data[: len(_HEADER)] = np.frombuffer(_HEADER, np.uint8)
    data[len(_HEADER) + size :] = np.frombuffer(_TRAILER, np.uint8)
    rows = data[len(_HEADER) : len(_HEADER) + size]
    load_interleave()(block, joined, ends - sizes, lengths, rows)
    return data.data


def _encode_texts(column: Sequence[str | None]) -> bytes | Fields:
    """One field when all rows share it, else the fields of the rows."""
    first = column[0]
    if column.count(first) == len(column):
        return _NULL if first is None else _encode_field(first.encode())
    text = "".join(filter(None, column))
    if text.isascii() and None not in column:
        lengths = map(len, cast("Sequence[str]", column))
        return Fields(text.encode(), np.fromiter(lengths, np.int32, len(column)))
    fields = [None if value is None else value.encode() for value in column]
    sizes = [-1 if field is None else len(field) for field in fields]
    return Fields(b"".join(filter(None, fields)), np.array(sizes, np.int32))


def _encode_field(value: bytes) -> bytes:
    return len(value).to_bytes(4, "big") + value


def _encode_elements(column: NDArray[Any], null: int | None) -> NDArray[Any] | bytes | Fields:
    """The column itself without NULLs, one NULL field when all are, else the fields of the rows."""
    empty = np.zeros(len(column), np.bool_) if null is None else column == null
    if not empty.any():
        return column
    if empty.all():
        return _NULL
    lengths = np.where(empty, np.int32(-1), np.int32(column.dtype.itemsize))
    return Fields(column[~empty].tobytes(), lengths)


def _build_block(
    fields: Mapping[str, NDArray[Any] | bytes], count: int, rows: int
) -> NDArray[np.uint8]:
    """The number of fields and the fixed-width fields of each row: uint8[rows, width]."""
    layout: list[tuple[str, str]] = [("count", ">i2")]
    values: list[tuple[str, Any]] = [("count", count)]
    for name, field in fields.items():
        if isinstance(field, bytes):
            layout.append((name, f"V{len(field)}"))
            values.append((name, np.void(field)))
        else:
            layout += [(f"{name} length", ">i4"), (name, field.dtype.str)]
            values += [(f"{name} length", field.dtype.itemsize), (name, field)]
    block = np.empty(rows, layout)
    for name, value in values:
        block[name] = value
    return block.view(np.uint8).reshape(rows, -1)
