"""The table of the columns of a transaction, from which all other lists of columns derive.

Chunks and their checks, rows, the binary COPY and the lists of SELECT use it. A new column takes a
line here, a field in the Struct of a pushed transaction, and a migration.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from operator import attrgetter
from typing import Any, Final, NamedTuple

import numpy as np
from asyncpg.pgproto.pgproto import UUID as AsyncpgUUID  # noqa: N811 - a class
from numpy.typing import NDArray

NO_DATE: Final = np.iinfo(np.int32).min
NO_TIME: Final = np.iinfo(np.int64).min

_EPOCH: Final = datetime(
    2000, 1, 1, tzinfo=UTC
)  # the day from which PostgreSQL counts days and microseconds
_EPOCH_ORDINAL: Final = _EPOCH.toordinal()
_UNIX_DAYS: Final = date(1970, 1, 1).toordinal() - _EPOCH_ORDINAL
_MICROSECOND: Final = timedelta(microseconds=1)

Values = NDArray[Any] | list[str] | list[str | None]


class Kind(NamedTuple):
    """A type of PostgreSQL, and the form that its values have in arrays.

    An element is of `chunk_type` in a message and of `table_type` in a binary COPY. Both are empty
    for texts, which are lists. The element of a table is the one of the chunk plus `shift`; `null`
    stands for NULL in both. `dump` turns a Python value into an element of a table, `load` back.
    """

    name: str
    chunk_type: str = ""
    table_type: str = ""
    null: int | None = None
    shift: int = 0
    dump: Callable[[Any], Any] = int
    load: Callable[[Any], Any] = int

    @property
    def is_text(self) -> bool:
        return not self.table_type


BIGINT: Final = Kind("bigint", "<i8", ">i8")
INTEGER: Final = Kind("integer", "<i4", ">i4")
SMALLINT: Final = Kind("smallint", "<i2", ">i2", null=0)
REAL: Final = Kind("real", "<f4", ">f4", dump=float, load=float)
BOOLEAN: Final = Kind("boolean", "u1", "u1", load=bool)
DATE: Final = Kind(
    "date",
    "<i4",
    ">i4",
    null=NO_DATE,
    shift=_UNIX_DAYS,
    dump=lambda day: day.toordinal() - _EPOCH_ORDINAL,
    load=lambda days: date.fromordinal(int(days) + _EPOCH_ORDINAL),
)
TIMESTAMP: Final = Kind(
    "timestamptz",
    "<i8",
    ">i8",
    null=NO_TIME,
    shift=_UNIX_DAYS * 86_400_000_000,
    dump=lambda time: (time - _EPOCH) // _MICROSECOND,
    load=lambda micros: _EPOCH + timedelta(microseconds=int(micros)),
)
UUID: Final = Kind("uuid", "V16", "V16", dump=lambda uuid: uuid.bytes, load=AsyncpgUUID)
TEXT: Final = Kind("text")
JSON: Final = Kind("json")


class Column(NamedTuple):
    """One column of a table.

    `wire` is its name in a pushed transaction, empty when the pipeline itself fills it. A `nullable`
    column may be absent from a chunk. `content` says that another value is another version. A chunk
    holds the distinct values of a `coded` column, and for each row a place among them.
    """

    name: str
    kind: Kind
    wire: str = ""
    nullable: bool = False
    content: bool = False
    coded: bool = False


TRANSACTION_COLUMNS: Final = (
    Column("position", BIGINT),
    Column("first_position", BIGINT),
    Column("amount", BIGINT, "amount", content=True),
    Column("accepted_at", TIMESTAMP),
    Column("booked_on", DATE, "date", content=True),
    Column("booked_at", TIMESTAMP, "datetime", nullable=True, content=True),
    Column("authorized_on", DATE, "authorized_date", nullable=True, content=True),
    Column("confidence", REAL),
    Column("model_version", INTEGER),
    Column("mcc", SMALLINT, "mcc", nullable=True, content=True),
    Column("pending", BOOLEAN, "pending", content=True),
    Column("removed", BOOLEAN),
    Column("locked", BOOLEAN),
    Column("needs_review", BOOLEAN),
    Column("user_id", UUID),
    Column("id", UUID),
    Column("account_id", UUID, "account_id", coded=True),
    Column("currency", TEXT, "currency", content=True, coded=True),
    Column("category", TEXT),
    Column("source", TEXT),
    Column("reason", TEXT),
    Column("transaction_id", TEXT, "transaction_id"),
    Column("description", TEXT, "description", content=True),
    Column("merchant", TEXT),
    Column("merchant_key", TEXT),
    Column("merchant_name", TEXT, "merchant_name", nullable=True, content=True),
    Column("provider_category", TEXT, "category", nullable=True, content=True),
    Column("pending_transaction_id", TEXT, "pending_transaction_id", nullable=True, content=True),
    Column("metadata", JSON, "metadata", nullable=True, content=True),
)
IDENTITY_COLUMNS: Final = (
    Column("digest", BIGINT),
    Column("booked_on", DATE, nullable=True),
    Column("removed_at", TIMESTAMP, nullable=True),
    Column("user_id", UUID),
    Column("id", UUID),
)
CHUNK_COLUMNS: Final = tuple(c for c in TRANSACTION_COLUMNS if c.wire and not c.coded)

_TRANSACTION: Final = {column.name: column for column in TRANSACTION_COLUMNS}
_CHUNK: Final = {column.name: column for column in CHUNK_COLUMNS}
REQUIRED_COLUMNS: Final = frozenset(c.name for c in CHUNK_COLUMNS if not c.nullable)

#: The columns of `transactions` for a SELECT, in the order of `TRANSACTION_COLUMNS`.
SELECT_LIST: Final = ", ".join(_TRANSACTION)

content_of: Final = attrgetter(*(c.name for c in TRANSACTION_COLUMNS if c.content))


def get_chunk_column(name: str) -> Column:
    """The column of a chunk; KeyError for a name that no chunk may hold."""
    return _CHUNK[name]


def get_transaction_column(name: str) -> Column:
    return _TRANSACTION[name]


def make_null_elements(columns: Iterable[Column]) -> Mapping[str, int]:
    """The element that stands for NULL, by name of each nullable column that is an array."""
    return {c.name: c.kind.null for c in columns if c.nullable and c.kind.null is not None}


def to_elements(kind: Kind, values: Iterable[Any]) -> Values:
    """Python values as a column of a table: an array of `table_type`, or the list of texts."""
    if kind.is_text:
        return list(values)
    return np.array([kind.null if v is None else kind.dump(v) for v in values], kind.table_type)


def to_values(column: Column, elements: Values, rows: NDArray[np.intp]) -> list[Any]:
    """The Python values of a table's column in these rows."""
    if isinstance(elements, list):
        return [elements[row] for row in rows.tolist()]
    load, null = column.kind.load, column.kind.null if column.nullable else None
    return [None if e == null else load(e) for e in elements[rows].tolist()]


def to_table_elements(column: Column, elements: NDArray[Any]) -> NDArray[Any]:
    """Elements of a chunk as elements of the table."""
    kind = column.kind
    if kind.shift:
        shifted = elements + np.array(kind.shift, elements.dtype)
        elements = (
            np.where(elements == kind.null, elements, shifted) if column.nullable else shifted
        )
    return elements.astype(kind.table_type)
