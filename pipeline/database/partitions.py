"""Monthly partitions of `transactions`: listed, and created without stopping readers or writers.

The managed range has no gaps: each date inside it has a table, and the API refuses dates outside.
The function `create_month` builds a month beside the table and attaches it with a matching CHECK,
which takes no exclusive lock on the parent.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final, NamedTuple

import asyncpg

from pipeline.database.queries import load_queries
from pipeline.observe import metrics as telemetry

_SQL: Final = load_queries("pipeline.database", "partitions")
_LOCK: Final = 0x5BE4D11F


class Month(NamedTuple):
    """One partition: its first day, estimated rows and bytes with indexes."""

    first: date
    rows: int
    bytes: int


class Managed(NamedTuple):
    """The dates that can be stored, both ends included."""

    first: date
    last: date

    def __contains__(self, day: object) -> bool:
        return isinstance(day, date) and self.first <= day <= self.last


async def list_months(connection: asyncpg.Connection | asyncpg.Pool) -> list[Month]:
    """The partitions, oldest first."""
    partitions = [
        Month(_parse_month(row["name"]), row["rows"], row["bytes"])
        for row in await connection.fetch(_SQL["months"])
    ]
    if partitions:
        telemetry.set_partitions_end(find_next_month(partitions[-1].first))
    return partitions


async def read_managed_range(connection: asyncpg.Connection | asyncpg.Pool) -> Managed | None:
    """The managed range, or None before the first month exists."""
    partitions = await list_months(connection)
    if not partitions:
        return None
    return Managed(partitions[0].first, find_next_month(partitions[-1].first) - timedelta(days=1))


async def ensure_months(connection: asyncpg.Connection, first: date, last: date) -> list[date]:
    """Create the months from `first` to `last`, and those between them and the managed range.

    All months are created or none, so that no gap remains. Returns the first days of new months.
    """
    async with connection.transaction():
        await connection.execute(_SQL["lock"], _LOCK)
        there = [m.first for m in await list_months(connection)]
        span = list_first_days(min([first, *there]), max([last, *there]))
        created = [month for month in span if month not in there]
        for month in created:
            await connection.execute(_SQL["create_month"], month)
    telemetry.set_partitions_end(find_next_month(span[-1]))
    return created


def list_first_days(first: date, last: date) -> list[date]:
    """First days of the months from the one of `first` to the one of `last`."""
    month, first_days = first.replace(day=1), []
    while month <= last:
        first_days.append(month)
        month = find_next_month(month)
    return first_days


def find_next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def go_months_back(day: date, count: int) -> date:
    """The first day of the month `count` months before the one of `day` (after it if negative)."""
    index = day.year * 12 + day.month - 1 - count
    return date(index // 12, index % 12 + 1, 1)


def name_partition(day: date) -> str:
    """The name of the partition that holds `day`."""
    return f"transactions_{day:%Y_%m}"


def _parse_month(name: str) -> date:
    year, month = name.removeprefix("transactions_").split("_")
    return date(int(year), int(month), 1)
