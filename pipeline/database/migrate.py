"""Migrations: numbered SQL files, each applied once, in order, in a transaction of its own.

The transaction takes the migrators' lock and reads the journal anew. So the lock ends with it, also
behind a pooler that gives each transaction another session, and tables are locked no longer than
one migration takes. What an interrupted run has applied stays applied.
"""

from __future__ import annotations

from hashlib import sha256
from importlib.resources import files
from typing import Final, NamedTuple

import asyncpg

from pipeline.database.pool import open_connection, translated
from pipeline.database.queries import queries
from pipeline.errors import MigrationLocked, MigrationMismatch

_SQL: Final = queries("pipeline.database", "migrate")
_LOCK: Final = 0x5BE4D11E  # any constant: two migrators wait for each other; see `lock_holders`
_LOCK_SECONDS: Final = 60.0


class Migration(NamedTuple):
    """One file: `0001_foundation`, its text and the SHA-256 of it."""

    name: str
    sql: str
    checksum: str


def migrations() -> list[Migration]:
    """The migrations of this version, in order."""
    folder = files("pipeline.database").joinpath("migrations")
    found = []
    for file in sorted(folder.iterdir(), key=lambda f: f.name):
        if file.name.endswith(".sql"):
            sql = file.read_text(encoding="utf-8")
            checksum = sha256(sql.encode()).hexdigest()
            found.append(Migration(file.name.removesuffix(".sql"), sql, checksum))
    return found


async def migrate(url: str, lock_seconds: float = _LOCK_SECONDS) -> list[str]:
    """Bring the database to this version; returns the names applied now.

    Raises MigrationMismatch when an applied file has changed or is unknown here: then the
    database was made by another version, and nothing is touched. Raises MigrationLocked when
    another migrator holds the lock for longer than `lock_seconds`.
    """
    applied: list[str] = []
    async with translated(), open_connection(url) as connection:
        while (name := await _apply_next(connection, lock_seconds)) is not None:
            applied.append(name)
    return applied


async def require_migrated(pool: asyncpg.Pool) -> None:
    """Raise MigrationMismatch when a migration of this version is yet to be applied.

    Later ones may be there: while a system is upgraded, old processes still serve.
    """
    async with translated():
        try:
            done = {row["name"] for row in await pool.fetch(_SQL["applied"])}
        except asyncpg.UndefinedTableError:
            done = set()
    if missing := [m.name for m in migrations() if m.name not in done]:
        raise MigrationMismatch(f"{missing[0]} is not applied yet: run `spendline migrate`")


async def _apply_next(connection: asyncpg.Connection, lock_seconds: float) -> str | None:
    """Apply the first migration that the journal lacks; returns its name, or None."""
    async with connection.transaction():
        await _lock(connection, lock_seconds)
        await connection.execute(_SQL["make_journal"])
        done = dict(await connection.fetch(_SQL["applied"]))
        ours = migrations()
        _verify(done, {m.name: m.checksum for m in ours})
        migration = next((m for m in ours if m.name not in done), None)
        if migration is None:
            return None
        await connection.execute(migration.sql)
        await connection.execute(_SQL["record"], migration.name, migration.checksum)
    return migration.name


async def _lock(connection: asyncpg.Connection, seconds: float) -> None:
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


def _verify(done: dict[str, str], ours: dict[str, str]) -> None:
    for name, checksum in done.items():
        if name not in ours:
            raise MigrationMismatch(f"{name} was applied by a newer version: upgrade first")
        if ours[name] != checksum:
            raise MigrationMismatch(f"{name} has changed since it was applied: restore the file")
