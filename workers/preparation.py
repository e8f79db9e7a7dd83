"""Bring a database, its months and its queues to the state that this version needs."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date
from typing import Final

import asyncpg
import msgspec

from categorizer import taxonomy
from pipeline.database import migrate, partitions
from pipeline.database.pool import open_connection, translate_errors
from pipeline.database.queries import load_queries
from pipeline.queue.topology import declare_queues
from pipeline.settings import Settings

_HISTORY_MONTHS: Final = 24
_CATEGORY_FIELDS: Final = ("code", "primary", "name", "description")
_SQL: Final = load_queries("workers", "preparation")


async def prepare_system(settings: Settings) -> dict[str, list[str]]:
    """Prepare database and queues; return the names of new migrations and months, by kind.

    A second run changes nothing. Raises Transient when a server is away.
    """
    done = await prepare_database(settings.database_url, settings.months_ahead)
    declare_queues(settings.broker_url, settings.queue_prefix, settings.queue_bound)
    return done


async def prepare_database(url: str, months_ahead: int) -> dict[str, list[str]]:
    """Apply migrations, store the taxonomy and create the months; this needs no broker."""
    applied = await migrate.migrate_database(url)
    async with translate_errors(), open_connection(url) as connection, connection.transaction():
        await _store_taxonomy(connection)
        months = await _create_months(connection, months_ahead)
    return {"migrations": applied, "months": months}


async def _store_taxonomy(connection: asyncpg.Connection) -> None:
    loaded = taxonomy.load_taxonomy()
    parents = {primary.code: primary.name for primary in loaded.primaries}
    categories = [
        {name: asdict(category)[name] for name in _CATEGORY_FIELDS}
        | {"parent": parents[category.primary]}
        for category in loaded.detailed
    ]
    text = msgspec.json.encode(categories).decode()
    await connection.execute(_SQL["store_taxonomy"], str(loaded.version), text)


async def _create_months(connection: asyncpg.Connection, ahead: int) -> list[str]:
    today: date = await connection.fetchval(_SQL["today"])
    oldest = partitions.go_months_back(today, _HISTORY_MONTHS)
    newest = partitions.go_months_back(today, -ahead)
    created = await partitions.ensure_months(connection, oldest, newest)
    return [f"{month:%Y-%m}" for month in created]
