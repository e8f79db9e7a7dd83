"""Migrations: numbered SQL files, each applied once, in order, in a transaction of its own."""

from __future__ import annotations

from hashlib import sha256
from importlib.resources import files
from typing import NamedTuple

import asyncpg

from pipeline.database import translated
from pipeline.errors import MigrationMismatch

_LOCK = 0x5BE4D11E  # any constant: two migrators wait for each other
_JOURNAL = """
CREATE TABLE IF NOT EXISTS migrations (
    name       text PRIMARY KEY,
    checksum   text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)"""


class Migration(NamedTuple):
    """One file: `0001_foundation`, its text and the SHA-256 of it."""

    name: str
    sql: str
    checksum: str


def migrations() -> list[Migration]:
    """The migrations of this version, in order."""
    folder = files("pipeline.sql").joinpath("migrations")
    found = []
    for file in sorted(folder.iterdir(), key=lambda f: f.name):
        if file.name.endswith(".sql"):
            sql = file.read_text(encoding="utf-8")
            checksum = sha256(sql.encode()).hexdigest()
            found.append(Migration(file.name.removesuffix(".sql"), sql, checksum))
    return found


async def migrate(url: str) -> list[str]:
    """Bring the database to this version; returns the names applied now.

    Raises MigrationMismatch when an applied file has changed or is unknown here: then the
    database was made by another version, and nothing is touched.
    """
    async with translated():
        connection = await asyncpg.connect(url, timeout=10)
        try:
            await connection.execute("SELECT pg_advisory_lock($1)", _LOCK)
            await connection.execute(_JOURNAL)
            return await _apply(connection)
        finally:
            await connection.close()


async def require_migrated(pool: asyncpg.Pool) -> None:
    """Raise MigrationMismatch when a migration of this version is yet to be applied.

    Later ones may be there: while a system is upgraded, old processes still serve.
    """
    async with translated():
        try:
            done = {row["name"] for row in await pool.fetch("SELECT name FROM migrations")}
        except asyncpg.UndefinedTableError:
            done = set()
    if missing := [m.name for m in migrations() if m.name not in done]:
        raise MigrationMismatch(f"{missing[0]} is not applied yet: run `spendline migrate`")


async def _apply(connection: asyncpg.Connection) -> list[str]:
    done = dict(await connection.fetch("SELECT name, checksum FROM migrations"))
    ours = migrations()
    _verify(done, {m.name: m.checksum for m in ours})
    fresh = [m for m in ours if m.name not in done]
    for migration in fresh:
        async with connection.transaction():
            await connection.execute(migration.sql)
            await connection.execute(
                "INSERT INTO migrations (name, checksum) VALUES ($1, $2)",
                migration.name,
                migration.checksum,
            )
    return [m.name for m in fresh]


def _verify(done: dict[str, str], ours: dict[str, str]) -> None:
    for name, checksum in done.items():
        if name not in ours:
            raise MigrationMismatch(f"{name} was applied by a newer version: upgrade first")
        if ours[name] != checksum:
            raise MigrationMismatch(f"{name} has changed since it was applied: restore the file")
