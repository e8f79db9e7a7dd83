"""Monthly partitions of `transactions`: listed, and created without stopping readers or writers.

The managed range has no gaps: a date inside it always has a table, a date outside is refused at
the door. `create_month` builds a month beside the table and attaches it with a matching CHECK, which
takes no exclusive lock on the parent.
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import Final, NamedTuple

import asyncpg

from pipeline.database.queries import queries
from pipeline.observe import metrics as telemetry

_SQL: Final = queries("pipeline.database", "partitions")
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


async def months(connection: asyncpg.Connection | asyncpg.Pool) -> list[Month]:
    """The partitions, oldest first."""
    found = [
        Month(_first_day(row["name"]), row["rows"], row["bytes"])
        for row in await connection.fetch(_SQL["months"])
    ]
    if found:
        telemetry.partitions_end(next_month(found[-1].first))
    return found


async def managed(connection: asyncpg.Connection | asyncpg.Pool) -> Managed | None:
    """The managed range, or None before the first month exists."""
    found = await months(connection)
    if not found:
        return None
    return Managed(found[0].first, next_month(found[-1].first) - timedelta(days=1))


async def ensure(connection: asyncpg.Connection, first: date, last: date) -> list[date]:
    """Create the months from `first` to `last`, and those between them and the managed range.

    All or none, so no gap is left behind. Returns the first days of the months created now.
    """
    async with connection.transaction():
        await connection.execute(_SQL["lock"], _LOCK)
        there = [m.first for m in await months(connection)]
        span = month_range(min([first, *there]), max([last, *there]))
        created = [month for month in span if month not in there]
        for month in created:
            await connection.execute(_SQL["create_month"], month)
    telemetry.partitions_end(next_month(span[-1]))
    return created


def month_range(first: date, last: date) -> list[date]:
    """First days of the months from the one of `first` to the one of `last`."""
    month, found = first.replace(day=1), []
    while month <= last:
        found.append(month)
        month = next_month(month)
    return found


def next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


def months_back(day: date, count: int) -> date:
    """The first day of the month `count` months before the one of `day` (after it if negative)."""
    index = day.year * 12 + day.month - 1 - count
    return date(index // 12, index % 12 + 1, 1)


def table_of(day: date) -> str:
    """The name of the partition that holds `day`."""
    return f"transactions_{day:%Y_%m}"


def _first_day(name: str) -> date:
    year, month = name.removeprefix("transactions_").split("_")
    return date(int(year), int(month), 1)
