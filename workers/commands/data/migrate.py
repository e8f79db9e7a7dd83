"""Bring the database, the queues and the monthly partitions to this version."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from datetime import date

import asyncpg
import click
import msgspec

from categorizer import taxonomy
from pipeline.database import migrate, partitions
from pipeline.database.pool import open_connection, translated
from pipeline.queue.topology import declare
from pipeline.settings import Settings

_HISTORY_MONTHS = 24
_KEEP_TAXONOMY = """
INSERT INTO taxonomy (version, categories) VALUES ($1, $2)
ON CONFLICT (version) DO UPDATE SET categories = excluded.categories"""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(*, as_json: bool) -> None:
    """Apply migrations, store the taxonomy, declare the queues, create the months.

    Doing it again changes nothing.
    """
    settings = Settings.from_environment()
    settings.require_servers()
    done = asyncio.run(bring_up(settings))
    if as_json:
        click.echo(msgspec.json.encode(done).decode())
    else:
        for name, made in done.items():
            click.echo(f"{name}: {', '.join(made) if made else 'up to date'}")


async def bring_up(settings: Settings) -> dict[str, list[str]]:
    """Returns what was made now, by kind."""
    done = await bring_up_database(settings.database_url, settings.months_ahead)
    declare(settings.broker_url, settings.queue_prefix, settings.queue_bound)
    return done


async def bring_up_database(url: str, months_ahead: int) -> dict[str, list[str]]:
    """All of it that needs no broker."""
    applied = await migrate.migrate(url)
    async with (
        translated(),
        open_connection(url) as connection,
        connection.transaction(),
    ):
        await _keep_taxonomy(connection)
        months = await _months(connection, months_ahead)
    return {"migrations": applied, "months": months}


async def _keep_taxonomy(connection: asyncpg.Connection) -> None:
    loaded = taxonomy.load()
    fields = ("code", "primary", "name", "description")
    rows = [{name: asdict(category)[name] for name in fields} for category in loaded.detailed]
    parents = {primary.code: primary.name for primary in loaded.primaries}
    rows = [row | {"parent": parents[row["primary"]]} for row in rows]
    await connection.execute(
        _KEEP_TAXONOMY, str(loaded.version), msgspec.json.encode(rows).decode()
    )


async def _months(connection: asyncpg.Connection, ahead: int) -> list[str]:
    today: date = await connection.fetchval("SELECT current_date")
    oldest = partitions.months_back(today, _HISTORY_MONTHS)
    newest = partitions.months_back(today, -ahead)
    created = await partitions.ensure(connection, oldest, newest)
    return [f"{month:%Y-%m}" for month in created]
