"""Backups put back: into a new database first, which takes the old one's name when it is ready.

A crash on the way leaves the old database as it was, and one called `..._restoring_...` that nobody
uses. A restore takes time back, but not for readers: every feed goes on beyond all positions that
it ever gave out, and knows which of them are void.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote, unquote, urlsplit
from zipfile import ZipFile

import asyncpg

from pipeline.backup.backup import DUMP, PIECE, STEP, Manifest, Say, contents, verify
from pipeline.backup.programs import running
from pipeline.database.actor import set_actor
from pipeline.database.migrate import migrations
from pipeline.database.pool import open_connection, translated
from pipeline.database.queries import queries
from pipeline.errors import BackupFailed, InvalidSettings

_SQL: Final = queries("pipeline.backup", "backup")
_MAINTENANCE: Final = "postgres"  # the database to stand in while others are made and renamed
_SESSION: Final = {
    "application_name": "spendline-restore",
    "statement_timeout": "0",
    "maintenance_work_mem": "256MB",
    "synchronous_commit": "off",
}


class Restored(NamedTuple):
    """`replaced` is the name under which the old database stays; `roles` could not be made."""

    manifest: Manifest
    replaced: str | None
    roles: list[str]


class Target(NamedTuple):
    """The database to be: whether there is one now, and whether that holds nothing."""

    name: str
    there: bool
    empty: bool


async def restore(
    url: str,
    file: Path,
    *,
    replace: bool,
    actor: str,
    prepare: Callable[[str], Awaitable[object]],
    say: Say,
) -> Restored:
    """Put the backup in place of the database of `url`; `prepare` brings it to this version.

    Raises BackupFailed, MigrationMismatch, InvalidSettings, StoreUnavailable; the database is then
    as it was.
    """
    say(f"checking {file}")
    manifest = verify(file, {m.name: m.checksum for m in migrations()})
    target = await _target(url, replace=replace)
    stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%S}"
    fresh = f"{target.name[:40]}_restoring_{stamp}"
    async with translated(), open_connection(_at(url, _MAINTENANCE), _SESSION) as outside:
        await _create(outside, fresh, target)
        try:
            await _load(_at(url, fresh), file, manifest, say)
            await prepare(_at(url, fresh))
            roles = await _resume(_at(url, fresh), manifest, actor)
        except BaseException:
            await outside.execute(f'DROP DATABASE "{fresh}" WITH (FORCE)')
            raise
        old = f"{target.name[:40]}_replaced_{stamp}" if target.there else None
        await _swap(outside, target.name, fresh, old)
        if target.empty:
            await outside.execute(f'DROP DATABASE "{old}"')
    return Restored(manifest, None if target.empty else old, roles)


async def _target(url: str, *, replace: bool) -> Target:
    """What is there now. Raises BackupFailed when the backup may not take its place."""
    name = unquote(urlsplit(url).path.lstrip("/"))
    if not name:
        raise InvalidSettings("SPENDLINE_DATABASE_URL names no database")
    async with translated(), open_connection(_at(url, _MAINTENANCE), _SESSION) as outside:
        there = await outside.fetchrow(_SQL["database"], name)
        if there is None:
            return Target(name, there=False, empty=False)
        if there["owner"] != there["us"]:
            raise BackupFailed(f"{name} belongs to {there['owner']}: restore as {there['owner']}")
        users = [row[0] for row in await outside.fetch(_SQL["sessions"], name)]
    if users:
        raise BackupFailed(f"{name} is in use: stop {', '.join(users)}")
    async with translated(), open_connection(url, _SESSION) as inside:
        empty = await inside.fetchval(_SQL["is_empty"])
    if not empty and not replace:
        raise BackupFailed(
            f"{name} is not empty: --replace puts the backup in its place "
            "and keeps it under another name"
        )
    return Target(name, there=True, empty=empty)


async def _create(outside: asyncpg.Connection, fresh: str, target: Target) -> None:
    """An empty database that sorts texts like the one it will replace."""
    like = await outside.fetchrow(_SQL["database"], target.name if target.there else "template0")
    locale = f"LC_COLLATE '{like['datcollate']}' LC_CTYPE '{like['datctype']}'"
    try:
        await outside.execute(
            f"CREATE DATABASE \"{fresh}\" TEMPLATE template0 ENCODING 'UTF8' {locale}"
        )
    except asyncpg.InsufficientPrivilegeError:
        raise BackupFailed(
            f'{like["us"]} may not make databases: ALTER ROLE "{like["us"]}" CREATEDB'
        ) from None


async def _load(url: str, file: Path, manifest: Manifest, say: Say) -> None:
    arguments = ("--no-owner", "--no-acl", "--exit-on-error", f"--dbname={_name(url)}")
    done = 0
    with ZipFile(file) as archive, archive.open(DUMP) as member:
        async with running("pg_restore", *arguments, url=url, settings=_SESSION) as program:
            while piece := member.read(PIECE):
                program.stdin.write(piece)  # type: ignore[union-attr]
                await program.stdin.drain()  # type: ignore[union-attr]
                done += len(piece)
                if done // STEP > (done - len(piece)) // STEP:
                    say(f"{done / 1e6:,.0f} of {manifest.dump_bytes / 1e6:,.0f} MB")
            say("building indexes")
    async with translated(), open_connection(url, _SESSION) as inside:
        rows, _ = await contents(inside)
    if rows != manifest.rows:
        raise BackupFailed(f"{file}: {rows} were restored where {manifest.rows} were backed up")


async def _resume(url: str, manifest: Manifest, actor: str) -> list[str]:
    """Let the feeds go on. Returns the groups that are missing on this server."""
    async with translated(), open_connection(url, _SESSION) as inside:
        async with inside.transaction():
            base = await inside.fetchval(_SQL["base"])
            if base <= manifest.made_at.timestamp() * 1e6:
                raise BackupFailed("the backup was made in the future of this server's clock")
            await set_actor(inside, actor)
            await inside.execute(_SQL["resume"], base)
            await inside.execute(_SQL["note_restore"], manifest.made_at)
            await inside.execute(_SQL["forget_keys"])
            # What pg_dump says of privileges names roles of another server: we say it anew.
            await inside.execute("REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA public FROM PUBLIC")
            await inside.execute(_SQL["make_roles"])
            await inside.execute("SELECT grant_roles()")
        await inside.execute("ANALYZE")
        return [row["role"] for row in await inside.fetch(_SQL["missing_roles"])]


async def _swap(outside: asyncpg.Connection, name: str, fresh: str, old: str | None) -> None:
    """Both names change at once, or none does."""
    try:
        async with outside.transaction():
            if old is not None:
                await outside.execute(f'ALTER DATABASE "{name}" RENAME TO "{old}"')
            await outside.execute(f'ALTER DATABASE "{fresh}" RENAME TO "{name}"')
    except (asyncpg.ObjectInUseError, asyncpg.DuplicateDatabaseError) as error:
        raise BackupFailed(
            f"{error}; the restored database is ready under the name {fresh}: "
            f"rename {name} away and {fresh} to {name}, or drop {fresh} and begin anew"
        ) from None


def _at(url: str, database: str) -> str:
    """The same server's other database."""
    return urlsplit(url)._replace(path=f"/{quote(database, safe='')}").geturl()


def _name(url: str) -> str:
    return unquote(urlsplit(url).path.lstrip("/"))
