"""List the monthly partitions, or create months of history."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import datetime
from typing import Any, TypeVar

import asyncpg
import click
import msgspec
from rich.console import Console
from rich.table import Table

from pipeline.database import partitions
from pipeline.database.pool import open_connection, translated
from pipeline.errors import InvalidSettings
from pipeline.settings import Settings

T = TypeVar("T")

_MONTH = click.DateTime(["%Y-%m"])
_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> None:
    """List the monthly partitions (the default), or create months of history."""
    if context.invoked_subcommand is None:
        context.invoke(list_months, as_json=False)


@command.command("list")
@_json
def list_months(*, as_json: bool) -> None:
    """Show every month with its estimated rows and its size."""
    months = _with_connection(partitions.months)
    if as_json:
        rows = [{"month": f"{m.first:%Y-%m}", "rows": m.rows, "bytes": m.bytes} for m in months]
        click.echo(msgspec.json.encode(rows).decode())
        return
    table = Table("month", "rows (estimate)", "MB")
    for month in months:
        table.add_row(f"{month.first:%Y-%m}", f"{month.rows:,}", f"{month.bytes / 1e6:,.1f}")
    Console().print(table)


@command.command("create")
@click.option("--from", "first", type=_MONTH, required=True, help="First month, YYYY-MM.")
@click.option("--to", "last", type=_MONTH, required=True, help="Last month, YYYY-MM.")
@_json
def create_months(*, first: datetime, last: datetime, as_json: bool) -> None:
    """Create the months from one to the other, and any between them and the others."""
    if first > last:
        raise click.UsageError("--from is after --to")
    created = _with_connection(
        lambda connection: partitions.ensure(connection, first.date(), last.date())
    )
    names = [f"{month:%Y-%m}" for month in created]
    if as_json:
        click.echo(msgspec.json.encode({"created": names}).decode())
    else:
        click.echo(f"created: {', '.join(names) if names else 'none, all were there'}")


def _with_connection(work: Callable[[asyncpg.Connection], Coroutine[Any, Any, T]]) -> T:
    async def run() -> T:
        settings = Settings.from_environment()
        if not settings.database_url:
            raise InvalidSettings("SPENDLINE_DATABASE_URL is not set")
        async with translated(), open_connection(settings.database_url) as connection:
            return await work(connection)

    return asyncio.run(run())
