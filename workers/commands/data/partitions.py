"""List the monthly partitions, or create months of history."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, TypeVar

import asyncpg
import click

from pipeline.database import partitions
from workers.commands.output import json_option, print_result, print_rows
from workers.commands.setup import ask_database

T = TypeVar("T")

_MONTH = click.DateTime(["%Y-%m"])


@click.group(invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> None:
    """List the monthly partitions (the default), or create months of history."""
    if context.invoked_subcommand is None:
        context.invoke(list_months, as_json=False)


@command.command("list")
@json_option
def list_months(*, as_json: bool) -> None:
    """List every month with its estimated number of rows and its size."""
    months = [
        {"month": f"{month.first:%Y-%m}", "rows": month.rows, "bytes": month.bytes}
        for month in _use_connection(partitions.list_months)
    ]
    print_result(months, _print_months, as_json=as_json)


@command.command("create")
@click.option("--from", "first", type=_MONTH, required=True, help="The first month, YYYY-MM.")
@click.option("--to", "last", type=_MONTH, required=True, help="The last month, YYYY-MM.")
@json_option
def create_months(*, first: datetime, last: datetime, as_json: bool) -> None:
    """Create the months from --from to --to, and those between them and the existing months."""
    if first > last:
        raise click.UsageError("--from is after --to")
    created = _use_connection(
        lambda connection: partitions.ensure_months(connection, first.date(), last.date())
    )
    names = [f"{month:%Y-%m}" for month in created]
    print_result({"created": names}, _print_created, as_json=as_json)


def _print_months(months: list[dict[str, Any]]) -> None:
    print_rows(
        ("month", "rows (estimate)", "MB"),
        ((m["month"], f"{m['rows']:,}", f"{m['bytes'] / 1e6:,.1f}") for m in months),
    )


def _print_created(created: dict[str, list[str]]) -> None:
    click.echo(f"created: {', '.join(created['created']) or 'none, all were there'}")


def _use_connection(work: Callable[[asyncpg.Connection], Awaitable[T]]) -> T:
    async def run(pool: asyncpg.Pool) -> T:
        async with pool.acquire() as connection:
            return await work(connection)

    return ask_database("partitions", run)
