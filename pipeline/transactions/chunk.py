"""A chunk holds the rows of one or more ingests, column by column, as a message of the broker.

Columns of numbers are little-endian arrays in bytes, texts are lists. A nullable column that is
empty for all rows is absent.
"""

from __future__ import annotations

from typing import Any, Final, cast
from uuid import UUID

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipeline.errors import InvalidMessage
from pipeline.transactions.columns import REQUIRED_COLUMNS, Column, get_chunk_column

SCHEMA: Final = 2
PLACE: Final = "<i4"  # of an account among the accounts of a chunk
CODE: Final = "u1"  # of a currency among the currencies of a chunk


class Part(msgspec.Struct, frozen=True, array_like=True):
    """The rows and removals of one ingest within a chunk: slices of the chunk's columns."""

    ingest_id: bytes  # UUIDv7, 16 bytes; its time orders changes of one transaction
    number: int  # which part of the ingest, from 0
    rows: int
    removals: int


class Chunk(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """Up to some ten thousand rows, in the order in which their ingests were accepted.

    `account`, `currency` and `removed_account` are places in the dictionaries before them. `columns`
    holds the other columns by the names that `transactions.columns` gives them.
    """

    schema: int
    chunk_id: bytes  # UUIDv7, 16 bytes
    parts: list[Part]
    accounts: list[bytes]  # distinct account ids, 16 bytes each
    users: list[bytes]  # the user of each of these accounts
    currencies: list[str]
    account: bytes  # PLACE[rows]
    currency: bytes  # CODE[rows]
    columns: dict[str, bytes | list[str | None]]
    removed_account: bytes = b""  # PLACE[removals]
    removed_transaction_id: list[str] = []
    trace: dict[str, str] = {}  # the request of each ingest (hexadecimal), and `traceparent`

    def __repr__(self) -> str:
        """Show sizes only, because a description must never reach a log."""
        return (
            f"<Chunk {UUID(bytes=self.chunk_id)} rows={len(self)} "
            f"removals={len(self.removed_transaction_id)} ingests={len(self.parts)}>"
        )

    __str__ = __repr__

    def __len__(self) -> int:
        return len(self.currency)

    def numbers(self, name: str) -> NDArray[Any]:
        """A read-only array of the column; an absent column gives NULL in each row."""
        kind = get_chunk_column(name).kind
        data = self.columns.get(name)
        if data is None:
            return np.full(len(self), kind.null, kind.chunk_type)
        return np.frombuffer(cast("bytes", data), kind.chunk_type)

    def texts(self, name: str) -> list[str]:
        """A column of texts without NULL."""
        return cast("list[str]", self.columns[name])

    def optional_texts(self, name: str) -> list[str | None] | None:
        """A nullable column of texts; None when all rows are NULL."""
        return cast("list[str | None] | None", self.columns.get(name))

    def account_places(self) -> NDArray[np.int32]:
        return np.frombuffer(self.account, PLACE)

    def removed_account_places(self) -> NDArray[np.int32]:
        return np.frombuffer(self.removed_account, PLACE)

    def row_currencies(self) -> list[str]:
        return [self.currencies[code] for code in self.currency]

    def check(self) -> None:
        """Raise InvalidMessage unless all columns agree in length and every index is in range."""
        rows, removals = len(self), len(self.removed_transaction_id)
        agree = (
            len(self.chunk_id) == 16
            and len(self.users) == len(self.accounts)
            and sum(p.rows for p in self.parts) == rows
            and sum(p.removals for p in self.parts) == removals
            and _in_range(self.account, PLACE, rows, len(self.accounts))
            and _in_range(self.currency, CODE, rows, len(self.currencies))
            and _in_range(self.removed_account, PLACE, removals, len(self.accounts))
            and self.columns.keys() >= REQUIRED_COLUMNS
            and all(_is_right(name, data, rows) for name, data in self.columns.items())
        )
        if not agree:
            raise InvalidMessage("the chunk's columns do not agree in length")


def _is_right(name: str, data: bytes | list[str | None], rows: int) -> bool:
    """Whether a column is known, of its type, and has one value for each row."""
    try:
        column = get_chunk_column(name)
    except KeyError:
        return False
    if isinstance(data, list):
        return _texts_are_right(column, data, rows)
    return not column.kind.is_text and len(data) == rows * np.dtype(column.kind.chunk_type).itemsize


def _texts_are_right(column: Column, texts: list[str | None], rows: int) -> bool:
    return column.kind.is_text and len(texts) == rows and (column.nullable or None not in texts)


def _in_range(data: bytes, dtype: str, rows: int, size: int) -> bool:
    if len(data) != rows * np.dtype(dtype).itemsize:
        return False
    places = np.frombuffer(data, dtype)
    return not rows or bool(places.min() >= 0 and places.max() < size)
