"""PostgreSQL's binary COPY format, from whole columns, with next to no Python per row.

A column is an array of fixed-width elements (big-endian, as the format wants them) or a list of
texts. Fixed-width columns and texts that are the same in all rows form one block, filled column by
column; the other texts are encoded once per distinct value. The order of columns in a COPY is
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
    block: dict[str, NDArray[np.uint8]] = {}
    varying: dict[str, list[bytes]] = {}
    for name, column in columns.items():
        fields = _texts(column) if isinstance(column, list) else _elements(column, nulls.get(name))
        if isinstance(fields, list):
            varying[name] = fields
        else:
            block[name] = fields
    data = b"".join(
        chain.from_iterable(zip(_block(block, len(columns)), *varying.values(), strict=True))
    )
    return [*block, *varying], _HEADER + data + _TRAILER


def _field(value: bytes) -> bytes:
    return len(value).to_bytes(4, "big") + value


def _texts(column: Sequence[str | None]) -> NDArray[np.uint8] | list[bytes]:
    distinct = {text: _NULL if text is None else _field(text.encode()) for text in set(column)}
    if len(distinct) == 1:
        return np.frombuffer(distinct[column[0]] * len(column), np.uint8).reshape(len(column), -1)
    return [distinct[text] for text in column]


def _elements(column: NDArray[Any], null: int | None) -> NDArray[np.uint8] | list[bytes]:
    empty = column == null if null is not None else np.zeros(len(column), np.bool_)
    if empty.all():
        return np.frombuffer(_NULL * len(column), np.uint8).reshape(len(column), -1)
    fields = np.empty((len(column), 4 + column.dtype.itemsize), np.uint8)
    fields[:, :4] = np.frombuffer(column.dtype.itemsize.to_bytes(4, "big"), np.uint8)
    fields[:, 4:] = np.frombuffer(column.tobytes(), np.uint8).reshape(len(column), -1)
    if not empty.any():
        return fields
    return [
        _NULL if absent else field
        for absent, field in zip(empty.tolist(), _lines(fields), strict=True)
    ]


def _block(fields: Mapping[str, NDArray[np.uint8]], count: int) -> list[bytes]:
    """Each row's number of fields, then its fields of fixed width."""
    rows = len(next(iter(fields.values())))
    number = np.broadcast_to(np.frombuffer(count.to_bytes(2, "big"), np.uint8), (rows, 2))
    return _lines(np.concatenate([number, *fields.values()], axis=1))


def _lines(table: NDArray[np.uint8]) -> list[bytes]:
    width, data = table.shape[1], table.tobytes()
    return [data[i : i + width] for i in range(0, len(data), width)]
