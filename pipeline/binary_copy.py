"""PostgreSQL's binary COPY format, from whole columns, with next to no Python per row.

A column is an array of fixed-width elements (big-endian, as the format wants them) or a list of
texts. Fixed-width columns and texts that are the same in all rows form one block of records, filled
column by column; the other texts are encoded once per distinct value. The order of columns in a COPY is
free, so the block comes first.
Format: https://www.postgresql.org/docs/15/sql-copy.html, "Binary Format".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Column = NDArray[Any] | list[str] | list[str | None]

_HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER: Final = b"\xff\xff"
_NULL: Final = b"\xff\xff\xff\xff"


def encode(columns: Mapping[str, Column], nulls: Mapping[str, int]) -> tuple[list[str], bytes]:
    """The names in the order of the data, and the data of a binary COPY of n >= 1 rows.

    `nulls` names the element of a fixed-width column that stands for NULL.
    """
    block: dict[str, NDArray[Any] | bytes] = {}
    varying: dict[str, list[bytes]] = {}
    for name, column in columns.items():
        fields = _texts(column) if isinstance(column, list) else _elements(column, nulls.get(name))
        if isinstance(fields, list):
            varying[name] = fields
        else:
            block[name] = fields
    rows = len(next(iter(columns.values())))
    lines = zip(_block(block, len(columns), rows), *varying.values(), strict=True)
    pieces = chain((_HEADER,), chain.from_iterable(lines), (_TRAILER,))
    return [*block, *varying], b"".join(pieces)


def _field(value: bytes) -> bytes:
    return len(value).to_bytes(4, "big") + value


def _texts(column: Sequence[str | None]) -> bytes | list[bytes]:
    """The field that all rows share, or each row's field."""
    distinct = {text: _NULL if text is None else _field(text.encode()) for text in set(column)}
    if len(distinct) == 1:
        return distinct[column[0]]
    return [distinct[text] for text in column]


def _elements(column: NDArray[Any], null: int | None) -> NDArray[Any] | bytes | list[bytes]:
    """The column itself where nothing is NULL, else the shared field, or each row's field."""
    if null is None:
        return column
    empty = column == null
    if not empty.any():
        return column
    if empty.all():
        return _NULL
    elements = zip(empty.tolist(), _split(column.tobytes(), column.dtype.itemsize), strict=True)
    return [_NULL if absent else _field(element) for absent, element in elements]


def _block(fields: Mapping[str, NDArray[Any] | bytes], count: int, rows: int) -> list[bytes]:
    """Each row's number of fields, then its fields of fixed width."""
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
    return _split(block.tobytes(), block.itemsize)


def _split(data: bytes, width: int) -> list[bytes]:
    return [data[i : i + width] for i in range(0, len(data), width)]
