"""Restores: a backup is loaded into a new database, which then takes the name of the old one.

A crash leaves the old database as it was, and an unused one called `..._restoring_...`. A restore
undoes changes that readers have already seen. So every feed goes on above all positions that it
ever gave out, and keeps the range of the void ones.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote, unquote, urlsplit
from zipfile import ZipFile

import asyncpg

from pipeline.backup.backup import DUMP, PIECE, STEP, Manifest, Say, count_rows, verify_backup
from pipeline.backup.programs import run_program
from pipeline.database.actor import set_actor
from pipeline.database.migrate import load_migrations
from pipeline.database.pool import open_connection, translate_errors
from pipeline.database.queries import load_queries
from pipeline.errors import BackupFailed, InvalidSettings

_SQL: Final = load_queries("pipeline.backup", "backup")
_MAINTENANCE: Final = "postgres"  # the database to connect to while others are renamed
_SESSION: Final = {
    "application_name": "spendline-restore",
    "statement_timeout": "0",
    "maintenance_work_mem": "256MB",
    "synchronous_commit": "off",
}


class Restored(NamedTuple):
    """A finished restore.

    `replaced` is the name that the old database now has, None when it held nothing. `roles` are the
    group roles that could not be created.
    """

    manifest: Manifest
    replaced: str | None
    roles: list[str]


class Target(NamedTuple):
    """The database to replace: whether it exists, and whether it is empty."""

    name: str
    exists: bool
    empty: bool


async def restore_backup(
    url: str,
    file: Path,
    *,
    replace: bool,
    actor: str,
    prepare: Callable[[str], Awaitable[object]],
    say: Say,
) -> Restored:
    """Replace the database of `url` by the backup, which `prepare` migrates to this version.

    Raises BackupFailed, MigrationMismatch, InvalidSettings or StoreUnavailable, and then leaves the
    database as it was.
    """
    say(f"checking {file}")
    manifest = verify_backup(file, {m.name: m.checksum for m in load_migrations()})
    target = await _find_target(url, replace=replace)
    stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%S}"
    fresh = f"{target.name[:40]}_restoring_{stamp}"
    async with (
        translate_errors(),
        open_connection(_replace_name(url, _MAINTENANCE), _SESSION) as outside,
    ):
        await _create_database(outside, fresh, target)
        try:
            await _load_dump(_replace_name(url, fresh), file, manifest, say)
            await prepare(_replace_name(url, fresh))
            roles = await _resume_feeds(_replace_name(url, fresh), manifest, actor)
        except BaseException:
            await outside.execute(_SQL["drop_database_in_use"].format(name=fresh))
            raise
        old = f"{target.name[:40]}_replaced_{stamp}" if target.exists else None
        await _swap_names(outside, target.name, fresh, old)
        if target.empty:
            await outside.execute(_SQL["drop_database"].format(name=old))
    return Restored(manifest, None if target.empty else old, roles)


async def _find_target(url: str, *, replace: bool) -> Target:
    """The database that `url` names. Raises BackupFailed when the backup may not replace it."""
    name = _read_name(url)
    if not name:
        raise InvalidSettings("SPENDLINE_DATABASE_URL names no database")
    async with (
        translate_errors(),
        open_connection(_replace_name(url, _MAINTENANCE), _SESSION) as outside,
    ):
        database = await outside.fetchrow(_SQL["read_database"], name)
        if database is None:
            return Target(name, exists=False, empty=False)
        owner = database["owner"]
        if owner != database["login"]:
            raise BackupFailed(f"{name} belongs to {owner}: restore as {owner}")
        sessions = [row["session"] for row in await outside.fetch(_SQL["list_sessions"], name)]
    if sessions:
        raise BackupFailed(f"{name} is in use: stop {', '.join(sessions)}")
    async with translate_errors(), open_connection(url, _SESSION) as inside:
        empty = await inside.fetchval(_SQL["is_empty"])
    if not empty and not replace:
        raise BackupFailed(
            f"{name} is not empty: --replace puts the backup in its place "
            "and keeps it under another name"
        )
    return Target(name, exists=True, empty=empty)


async def _create_database(outside: asyncpg.Connection, fresh: str, target: Target) -> None:
    """Create an empty database that sorts texts like the one that it will replace."""
    pattern_name = target.name if target.exists else "template0"
    pattern = await outside.fetchrow(_SQL["read_database"], pattern_name)
    statement = _SQL["create_database"].format(
        name=fresh, collate=pattern["datcollate"], ctype=pattern["datctype"]
    )
    try:
        await outside.execute(statement)
    except asyncpg.InsufficientPrivilegeError:
        login = pattern["login"]
        raise BackupFailed(
            f'{login} may not make databases: ALTER ROLE "{login}" CREATEDB'
        ) from None


async def _load_dump(url: str, file: Path, manifest: Manifest, say: Say) -> None:
    """Load the dump, and compare the rows with those of the manifest."""
    arguments = ("--no-owner", "--no-acl", "--exit-on-error", f"--dbname={_read_name(url)}")
    done = 0
    with ZipFile(file) as archive, archive.open(DUMP) as member:
        async with run_program("pg_restore", *arguments, url=url, settings=_SESSION) as program:
            while piece := member.read(PIECE):
                program.stdin.write(piece)  # type: ignore[union-attr]
                await program.stdin.drain()  # type: ignore[union-attr]
                done += len(piece)
                if done // STEP > (done - len(piece)) // STEP:
                    say(f"{done / 1e6:,.0f} of {manifest.dump_bytes / 1e6:,.0f} MB")
            say("building indexes")
    async with translate_errors(), open_connection(url, _SESSION) as inside:
        rows, _ = await count_rows(inside)
    if rows != manifest.rows:
        raise BackupFailed(f"{file}: {rows} were restored where {manifest.rows} were backed up")


async def _resume_feeds(url: str, manifest: Manifest, actor: str) -> list[str]:
    """Let the feeds go on; returns the group roles that are missing on this server."""
    async with translate_errors(), open_connection(url, _SESSION) as inside:
        async with inside.transaction():
            position = await inside.fetchval(_SQL["new_position"])
            if position <= manifest.made_at.timestamp() * 1e6:
                raise BackupFailed("the backup was made in the future of this server's clock")
            await set_actor(inside, actor)
            await inside.execute(_SQL["resume_feeds"], position)
            await inside.execute(_SQL["note_restore"], manifest.made_at)
            await inside.execute(_SQL["forget_keys"])
            for privileges in ("revoke_execution", "make_roles", "grant_roles"):
                await inside.execute(_SQL[privileges])
        await inside.execute(_SQL["analyze"])
        return [row["role"] for row in await inside.fetch(_SQL["list_missing_roles"])]


async def _swap_names(outside: asyncpg.Connection, name: str, fresh: str, old: str | None) -> None:
    """Rename both databases in one transaction."""
    rename = _SQL["rename_database"]
    try:
        async with outside.transaction():
            if old is not None:
                await outside.execute(rename.format(name=name, new_name=old))
            await outside.execute(rename.format(name=fresh, new_name=name))
    except (asyncpg.ObjectInUseError, asyncpg.DuplicateDatabaseError) as error:
        raise BackupFailed(
            f"{error}; the restored database is ready under the name {fresh}: "
            f"rename {name} away and {fresh} to {name}, or drop {fresh} and begin anew"
        ) from None


def _replace_name(url: str, database: str) -> str:
    """The URL of another database on the server of `url`."""
    return urlsplit(url)._replace(path=f"/{quote(database, safe='')}").geturl()


def _read_name(url: str) -> str:
    return unquote(urlsplit(url).path.lstrip("/"))
