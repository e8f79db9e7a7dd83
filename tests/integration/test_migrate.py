"""Migrators take turns, let go of their lock with each transaction, and wait for a bounded time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import asyncpg
import pytest

from pipeline.database import migrate as module
from pipeline.database.migrate import Migration, load_migrations, migrate_database
from pipeline.errors import MigrationLocked


@pytest.fixture
def empty_url(make_database: Callable[[], str]) -> str:
    return make_database()


async def locks(url: str) -> int:
    """How many advisory locks are held in the database."""
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetchval(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND database ="
            " (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
    finally:
        await connection.close()


async def test_of_migrators_at_once_each_migration_is_applied_by_one(empty_url: str) -> None:
    # When
    runs = await asyncio.gather(*(migrate_database(empty_url) for _ in range(3)))
    # Then
    assert sorted(name for run in runs for name in run) == [m.name for m in load_migrations()]
    assert await locks(empty_url) == 0


async def test_a_lock_that_somebody_else_holds_is_a_clear_error(empty_url: str) -> None:
    # Given a session that keeps the lock, as one behind a pooler does
    holder = await asyncpg.connect(empty_url)
    await holder.execute("SELECT pg_advisory_lock($1)", module._LOCK)
    # When
    with pytest.raises(MigrationLocked, match="run this again") as raised:
        await asyncio.wait_for(migrate_database(empty_url, lock_seconds=0.05), 30)
    # Then the session is the one that the message tells to look for, and its end is enough
    query = str(raised.value).split("`")[3]
    assert await holder.fetchval(query) == holder.get_server_pid()
    await holder.close()
    assert await migrate_database(empty_url) == [m.name for m in load_migrations()]


async def test_a_migration_that_fails_leaves_nothing_and_those_before_it_stay(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Given
    broken = Migration("9999_broken", "CREATE TABLE half (); SELECT 1 / 0", "0")
    monkeypatch.setattr(module, "load_migrations", lambda: [*load_migrations(), broken])
    # When
    with pytest.raises(asyncpg.DivisionByZeroError):
        await migrate_database(empty_url)
    monkeypatch.undo()
    # Then
    assert await migrate_database(empty_url) == []
    connection = await asyncpg.connect(empty_url)
    assert await connection.fetchval("SELECT to_regclass('half')") is None
    await connection.close()
    assert await locks(empty_url) == 0
