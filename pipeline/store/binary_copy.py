"""PostgreSQL's binary COPY format, from whole columns, with next to no Python per row.

A column is an array of fixed-width elements (big-endian, as the format wants them) or a list of
texts. Fixed-width columns and whatever is the same in all rows form one block of records, filled
column by column; the fields of the others are joined, and one compiled loop puts the rows together.
The order of columns in a COPY is free, so the block comes first.
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
    """A column whose fields differ in length: the bytes of all, and int32 lengths, -1 for NULL."""

    data: bytes
    lengths: NDArray[np.int32]


def encode(columns: Mapping[str, Values], nulls: Mapping[str, int]) -> tuple[list[str], memoryview]:
    """The names in the order of the data, and the data of a binary COPY of n >= 1 rows.

    `nulls` names the element of a fixed-width column that stands for NULL.
    """
    fixed: dict[str, NDArray[Any] | bytes] = {}
    varying: dict[str, Fields] = {}
    for name, column in columns.items():
        fields = _texts(column) if isinstance(column, list) else _elements(column, nulls.get(name))
        if isinstance(fields, Fields):
            varying[name] = fields
        else:
            fixed[name] = fields
    rows = len(next(iter(columns.values())))
    block = _block(fixed, len(columns), rows)
    return [*fixed, *varying], _data(block, list(varying.values()))


def _data(block: NDArray[np.uint8], varying: list[Fields]) -> memoryview:
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


def _texts(column: Sequence[str | None]) -> bytes | Fields:
    """The field that all rows share, or the fields of the rows."""
    first = column[0]
    if column.count(first) == len(column):
        return _NULL if first is None else _field(first.encode())
    text = "".join(filter(None, column))
    if text.isascii() and None not in column:
        lengths = map(len, cast("Sequence[str]", column))
        return Fields(text.encode(), np.fromiter(lengths, np.int32, len(column)))
    fields = [None if value is None else value.encode() for value in column]
    sizes = [-1 if field is None else len(field) for field in fields]
    return Fields(b"".join(filter(None, fields)), np.array(sizes, np.int32))


def _field(value: bytes) -> bytes:
    return len(value).to_bytes(4, "big") + value


def _elements(column: NDArray[Any], null: int | None) -> NDArray[Any] | bytes | Fields:
    """The column itself where nothing is NULL, else the shared field, or the fields of the rows."""
    empty = np.zeros(len(column), np.bool_) if null is None else column == null
    if not empty.any():
        return column
    if empty.all():
        return _NULL
    lengths = np.where(empty, np.int32(-1), np.int32(column.dtype.itemsize))
    return Fields(column[~empty].tobytes(), lengths)


def _block(fields: Mapping[str, NDArray[Any] | bytes], count: int, rows: int) -> NDArray[np.uint8]:
    """Each row's number of fields, then its fields of fixed width: uint8[rows, width]."""
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
