"""The dates that an insight is about."""

from __future__ import annotations

from calendar import monthrange
from datetime import date
from typing import Annotated

import msgspec
from aiohttp import web
from msgspec import Meta, Struct

from api.http.problems import Fault, Invalid
from api.http.requests import read_query
from api.services import CLOCK


class PeriodQuery(Struct, frozen=True, forbid_unknown_fields=True):
    """A month, or both dates (inclusive); the current month by default."""

    month: Annotated[str, Meta(pattern=r"^\d{4}-(0[1-9]|1[0-2])$")] | None = None
    first: date | None = msgspec.field(name="from", default=None)
    last: date | None = msgspec.field(name="to", default=None)


class Period(Struct, frozen=True):
    first: date = msgspec.field(name="from")
    last: date = msgspec.field(name="to")


def read_period(request: web.Request) -> Period:
    """Return the period that the query of the URL names. Raises Invalid."""
    return resolve_period(read_query(request, PeriodQuery), request.app[CLOCK].now().date())


def resolve_period(query: PeriodQuery, today: date) -> Period:
    """Return the first and the last day, inclusive. Raises Invalid."""
    if query.first is not None and query.last is not None and query.month is None:
        if query.first > query.last:
            raise Invalid([Fault("/from", "is after `to`")])
        return Period(query.first, query.last)
    if query.first is not None or query.last is not None:
        raise Invalid([Fault("", "give either `month`, or both `from` and `to`")])
    month = _first_day(query.month) if query.month else today.replace(day=1)
    return Period(month, month.replace(day=monthrange(month.year, month.month)[1]))


def _first_day(month: str) -> date:
    try:
        return date.fromisoformat(f"{month}-01")
    except ValueError:
        raise Invalid([Fault("/month", "is not a month")]) from None
