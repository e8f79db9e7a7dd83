"""Migrations: numbered SQL files, each applied once, in order, in a transaction of its own.

Each transaction takes the migrators' lock and reads the journal anew. The lock ends with the
transaction, also behind a pooler, and tables are locked no longer than one migration takes.
An interrupted run keeps the migrations that it has applied.
"""

from __future__ import annotations

from hashlib import sha256
from importlib.resources import files
from typing import Final, NamedTuple

import asyncpg

from pipeline.database.pool import open_connection, translate_errors
from pipeline.database.queries import load_queries
from pipeline.errors import MigrationLocked, MigrationMismatch

_SQL: Final = load_queries("pipeline.database", "migrate")
_LOCK: Final = 0x5BE4D11E  # any constant; the statement `lock_holders` names it too
_LOCK_SECONDS: Final = 60.0


class Migration(NamedTuple):
    """A file of SQL: its name as in `0001_foundation`, its text and the SHA-256 of the text."""

    name: str
    sql: str
    checksum: str


def load_migrations() -> list[Migration]:
    """The migrations of this version, in order."""
    folder = files("pipeline.database").joinpath("migrations")
    ours = []
    for file in sorted(folder.iterdir(), key=lambda f: f.name):
        if file.name.endswith(".sql"):
            sql = file.read_text(encoding="utf-8")
            checksum = sha256(sql.encode()).hexdigest()
            ours.append(Migration(file.name.removesuffix(".sql"), sql, checksum))
    return ours


async def migrate_database(url: str, lock_seconds: float = _LOCK_SECONDS) -> list[str]:
    """Bring the database to this version; returns the names applied now.

    Raises MigrationMismatch, and changes nothing, when another version made the database. Raises
    MigrationLocked when another migrator holds the lock for longer than `lock_seconds`.
    """
    applied: list[str] = []
    async with translate_errors(), open_connection(url) as connection:
        while (name := await _apply_next(connection, lock_seconds)) is not None:
            applied.append(name)
    return applied


async def require_migrated(pool: asyncpg.Pool) -> None:
    """Raise MigrationMismatch when a migration of this version is yet to be applied.

    The database may be newer: old processes still serve while a system is upgraded.
    """
    async with translate_errors():
        try:
            done = {row["name"] for row in await pool.fetch(_SQL["applied"])}
        except asyncpg.UndefinedTableError:
            done = set()
    if missing := [m.name for m in load_migrations() if m.name not in done]:
        raise MigrationMismatch(f"{missing[0]} is not applied yet: run `spendline migrate`")


async def _apply_next(connection: asyncpg.Connection, lock_seconds: float) -> str | None:
    """Apply the first migration that the journal lacks; returns its name, or None."""
    async with connection.transaction():
        await _take_lock(connection, lock_seconds)
        await connection.execute(_SQL["make_journal"])
        done = dict(await connection.fetch(_SQL["applied"]))
        ours = load_migrations()
        _verify_journal(done, {m.name: m.checksum for m in ours})
        migration = next((m for m in ours if m.name not in done), None)
        if migration is None:
            return None
        await connection.execute(migration.sql)
        await connection.execute(_SQL["record"], migration.name, migration.checksum)
    return migration.name


async def _take_lock(connection: asyncpg.Connection, seconds: float) -> None:
    """Take the migrators' lock until the transaction ends."""
    await connection.execute(_SQL["bound_wait"], f"{max(1, round(seconds * 1000))}ms")
    try:
        await connection.execute(_SQL["lock"], _LOCK)
    except asyncpg.LockNotAvailableError:
        raise MigrationLocked(
            f"another `spendline migrate` has held its lock for {seconds:g} s: wait for its end and "
            f"run this again; if none runs, end the session that `{_SQL['lock_holders']}` names "
            "with pg_terminate_backend"
        ) from None
    # What a migration itself waits for is bounded by its own settings or not at all.
    await connection.execute(_SQL["unbound_wait"])


def _verify_journal(done: dict[str, str], ours: dict[str, str]) -> None:
    for name, checksum in done.items():
        if name not in ours:
            raise MigrationMismatch(f"{name} was applied by a newer version: upgrade first")
        if ours[name] != checksum:
            raise MigrationMismatch(f"{name} has changed since it was applied: restore the file")
