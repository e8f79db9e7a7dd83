"""Backups: one snapshot of the database in one file, which says what it is and can be checked.

The file is a zip of two members, stored as they are: `database.dump`, in pg_dump's custom format,
and `manifest.json`. So `unzip -p FILE database.dump | pg_restore` reads it without us.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, Final
from zipfile import BadZipFile, ZipFile

import asyncpg
import msgspec

from pipeline.backup.programs import running
from pipeline.database.actor import set_actor
from pipeline.database.pool import open_connection
from pipeline.database.queries import queries
from pipeline.errors import BackupFailed, MigrationMismatch, NotMigrated

DUMP: Final = "database.dump"
PIECE: Final = 1 << 20  # bytes
STEP: Final = 64 << 20  # bytes between two words about them
_MANIFEST: Final = "manifest.json"
_FORMAT: Final = "spendline backup 1"
_APPLICATION: Final = "spendline-backup"
_SQL: Final = queries("pipeline.backup", "backup")

Say = Callable[[str], None]


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What is in a backup: `migrations` with their checksums, rows by table, the dump's digest."""

    format: str = _FORMAT
    made_at: datetime
    server_version: str
    migrations: dict[str, str]
    model_version: int
    rows: dict[str, int]
    dump_bytes: int
    sha256: str

    @property
    def schema(self) -> str:
        """The last migration."""
        return max(self.migrations)


async def back_up(url: str, file: Path, actor: str, say: Say) -> Manifest:
    """Write what the database holds at this moment to `file`; only we can read it.

    Raises FileExistsError, BackupFailed, StoreUnavailable; nothing is left of a file that is not whole.
    """
    async with open_connection(url, {"application_name": _APPLICATION}) as connection:
        with _whole(file) as opened, ZipFile(opened, "w") as archive:
            manifest = await _dump(connection, url, archive, say)
            archive.writestr(_MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
        await _note(connection, manifest, actor, say)
    return manifest


async def _dump(connection: asyncpg.Connection, url: str, archive: ZipFile, say: Say) -> Manifest:
    """The dump and the figures of its manifest, all from one snapshot."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        try:
            taken = await connection.fetchrow(_SQL["snapshot"])
            rows, model_version = await contents(connection)
        except asyncpg.UndefinedTableError:
            raise NotMigrated("the database is empty: there is nothing to back up") from None
        say(f"{rows['transactions']:,} transactions of {rows['users']:,} users")
        size, digest = await _copy_dump(url, taken["snapshot"], archive, say)
    return Manifest(
        made_at=taken["made_at"],
        server_version=taken["server_version"],
        migrations=msgspec.json.decode(taken["migrations"]),
        model_version=model_version,
        rows=rows,
        dump_bytes=size,
        sha256=digest,
    )


async def contents(connection: asyncpg.Connection) -> tuple[dict[str, int], int]:
    """Rows by table, and the newest version of a model among them (0: none)."""
    counted = dict(await connection.fetchrow(_SQL["contents"]))
    return counted, counted.pop("model_version")


async def _copy_dump(url: str, snapshot: str, archive: ZipFile, say: Say) -> tuple[int, str]:
    """Bytes and SHA-256 of what pg_dump gave."""
    size, digest = 0, sha256()
    arguments = ("--format=custom", "--no-owner", "--no-acl", f"--snapshot={snapshot}")
    session = {"application_name": _APPLICATION, "statement_timeout": "0"}
    async with running("pg_dump", *arguments, url=url, settings=session) as program:
        with archive.open(DUMP, "w", force_zip64=True) as member:
            while piece := await program.stdout.read(PIECE):  # type: ignore[union-attr]
                member.write(piece)
                digest.update(piece)
                size += len(piece)
                if size // STEP > (size - len(piece)) // STEP:
                    say(f"{size / 1e6:,.0f} MB")
    return size, digest.hexdigest()


async def _note(connection: asyncpg.Connection, manifest: Manifest, actor: str, say: Say) -> None:
    """Leave a line in the audit log; on a replica there is none to be had."""
    details = {"made_at": manifest.made_at, "sha256": manifest.sha256}
    try:
        async with connection.transaction():
            await set_actor(connection, actor)
            await connection.execute(_SQL["note_backup"], msgspec.json.encode(details).decode())
    except asyncpg.ReadOnlySQLTransactionError:
        say("a read-only server: the audit log has no line of this")


@contextmanager
def _whole(file: Path) -> Iterator[IO[bytes]]:
    """`file` to write, under another name until it is whole and on disk. Raises FileExistsError."""
    if file.exists():
        raise FileExistsError(17, "File exists", str(file))
    partial = file.with_name(f"{file.name}.partial")
    flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
    try:
        with os.fdopen(os.open(partial, flags, 0o600), "wb") as opened:
            yield opened
            opened.flush()
            os.fsync(opened.fileno())
        partial.rename(file)
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()


def verify(file: Path, ours: dict[str, str]) -> Manifest:
    """The manifest of a backup that is whole, and that migrations of ours (name -> checksum) fit.

    Raises BackupFailed or MigrationMismatch, OSError.
    """
    try:
        with ZipFile(file) as archive:
            manifest = msgspec.json.decode(archive.read(_MANIFEST), type=Manifest)
            if manifest.format != _FORMAT:
                raise BackupFailed(f"{file}: {manifest.format!r} is not a format of this version")
            with archive.open(DUMP) as member:
                found = _digest(member)
    except (BadZipFile, KeyError, EOFError, msgspec.MsgspecError, NotImplementedError) as error:
        raise BackupFailed(f"{file}: damaged, or not a backup of ours: {error}") from None
    if found != manifest.sha256:
        raise BackupFailed(f"{file}: damaged: the dump is not the one of its manifest")
    _fit(file, manifest.migrations, ours)
    return manifest


def _fit(file: Path, theirs: dict[str, str], ours: dict[str, str]) -> None:
    for name, checksum in theirs.items():
        if name not in ours:
            raise MigrationMismatch(f"{file}: made by a newer version ({name}): upgrade first")
        if ours[name] != checksum:
            raise MigrationMismatch(f"{file}: its {name} is not the one of this version")


def _digest(member: IO[bytes]) -> str:
    digest = sha256()
    while piece := member.read(PIECE):
        digest.update(piece)
    return digest.hexdigest()


def figures(manifest: Manifest) -> dict[str, Any]:
    """What a person wants to know of a backup."""
    return {
        "made_at": manifest.made_at,
        "schema": manifest.schema,
        "model_version": manifest.model_version,
        "rows": manifest.rows,
        "dump_bytes": manifest.dump_bytes,
        "sha256": manifest.sha256,
    }
