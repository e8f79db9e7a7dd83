"""One table of columns: the Structs of the wire and the migrations are held to it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from uuid import uuid4

import msgspec
import numpy as np
import pytest

import client
from api.wire import Details, FeedItem, Transaction
from pipeline.transactions.columns import (
    BIGINT,
    BOOLEAN,
    CHUNK_COLUMNS,
    DATE,
    REAL,
    SMALLINT,
    TEXT,
    TIMESTAMP,
    TRANSACTION_COLUMNS,
    UUID,
    Column,
    to_elements,
    to_table_elements,
    to_values,
)

PUSHED = {column.wire: column for column in TRANSACTION_COLUMNS if column.wire}


def test_a_pushed_transaction_has_a_field_for_each_pushed_column_and_no_other():
    assert set(Transaction.__struct_fields__) == set(PUSHED)


def test_a_field_may_be_left_out_where_its_column_is_nullable():
    optional = {f.name for f in msgspec.structs.fields(Transaction) if not f.required}
    nullable = {wire for wire, column in PUSHED.items() if column.nullable}
    assert optional - {"pending"} == nullable


def test_what_may_be_pushed_can_be_read_back():
    assert set(FeedItem.__struct_fields__) >= set(PUSHED) - {"category"}
    assert set(Details.__struct_fields__) <= {column.wire for column in CHUNK_COLUMNS}


def test_the_client_pushes_and_reads_what_the_api_takes_and_shows():
    assert set(client.NewTransaction.__struct_fields__) == set(PUSHED)
    assert set(client.Transaction.__struct_fields__) == set(FeedItem.__struct_fields__)


def test_what_is_pushed_is_content():
    """Another value of any pushed column is another version, but for the ids of the row."""
    ids = {"account_id", "transaction_id"}
    assert {c.name for c in PUSHED.values() if not c.content} == ids


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (BIGINT, -(2**62)),
        (SMALLINT, 5411),
        (REAL, 0.5),
        (BOOLEAN, True),
        (DATE, date(1969, 12, 31)),
        (DATE, date(9999, 12, 31)),
        (TIMESTAMP, datetime(2026, 11, 20, 12, 30, 1, 5, tzinfo=UTC)),
        (UUID, uuid4()),
        (TEXT, "caf\u00e9"),
    ],
)
def test_a_value_survives_the_way_into_a_column_and_back(kind, value):
    column = Column("any", kind)
    assert to_values(column, to_elements(kind, [value]), np.array([0])) == [value]


@pytest.mark.parametrize("kind", [DATE, SMALLINT, TIMESTAMP, TEXT])
def test_nothing_survives_it_too_where_a_column_is_nullable(kind):
    column = Column("any", kind, nullable=True)
    assert to_values(column, to_elements(kind, [None]), np.array([0])) == [None]


def test_days_of_a_chunk_become_days_of_postgresql_and_none_stays_none():
    column = Column("any", DATE, nullable=True)
    days = np.array([(date(2026, 3, 1) - date(1970, 1, 1)).days, DATE.null], DATE.chunk_type)
    assert to_values(column, to_table_elements(column, days), np.arange(2)) == [
        date(2026, 3, 1),
        None,
    ]
