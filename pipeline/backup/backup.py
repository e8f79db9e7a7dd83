"""Backups: one snapshot of the database in one file that describes itself and can be verified.

The file is a zip of two members without compression: `database.dump`, in pg_dump's custom format,
and `manifest.json`. So `unzip -p FILE database.dump | pg_restore` restores it without Spendline.
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

from pipeline.backup.programs import run_program
from pipeline.database.actor import set_actor
from pipeline.database.pool import open_connection
from pipeline.database.queries import load_queries
from pipeline.errors import BackupFailed, MigrationMismatch, NotMigrated

DUMP: Final = "database.dump"
PIECE: Final = 1 << 20  # bytes
STEP: Final = 64 << 20  # bytes between two lines of progress
_MANIFEST: Final = "manifest.json"
_FORMAT: Final = "spendline backup 1"
_APPLICATION: Final = "spendline-backup"
_SQL: Final = load_queries("pipeline.backup", "backup")

Say = Callable[[str], None]


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a backup holds: migrations by checksum, rows by table, and the SHA-256 of the dump."""

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
        """The name of the last migration."""
        return max(self.migrations)


async def back_up(url: str, file: Path, actor: str, say: Say) -> Manifest:
    """Write one snapshot of the database to `file`, which only its owner can read.

    Raises FileExistsError, BackupFailed or StoreUnavailable, and then leaves no file behind.
    """
    async with open_connection(url, {"application_name": _APPLICATION}) as connection:
        with _open_whole_file(file) as opened, ZipFile(opened, "w") as archive:
            manifest = await _write_dump(connection, url, archive, say)
            archive.writestr(_MANIFEST, msgspec.json.format(msgspec.json.encode(manifest)))
        await _note_backup(connection, manifest, actor, say)
    return manifest


async def _write_dump(
    connection: asyncpg.Connection, url: str, archive: ZipFile, say: Say
) -> Manifest:
    """Write the dump, and return its manifest; both come from one snapshot."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        try:
            snapshot = await connection.fetchrow(_SQL["export_snapshot"])
            rows, model_version = await count_rows(connection)
        except asyncpg.UndefinedTableError:
            raise NotMigrated("the database is empty: there is nothing to back up") from None
        say(f"{rows['transactions']:,} transactions of {rows['users']:,} users")
        size, digest = await _copy_dump(url, snapshot["snapshot"], archive, say)
    return Manifest(
        made_at=snapshot["made_at"],
        server_version=snapshot["server_version"],
        migrations=msgspec.json.decode(snapshot["migrations"]),
        model_version=model_version,
        rows=rows,
        dump_bytes=size,
        sha256=digest,
    )


async def count_rows(connection: asyncpg.Connection) -> tuple[dict[str, int], int]:
    """Rows by table, and the newest model version among the transactions, 0 for none."""
    counts = dict(await connection.fetchrow(_SQL["count_rows"]))
    return counts, counts.pop("model_version")


async def _copy_dump(url: str, snapshot: str, archive: ZipFile, say: Say) -> tuple[int, str]:
    """Copy the output of pg_dump into the archive; returns its bytes and SHA-256."""
    size, digest = 0, sha256()
    arguments = ("--format=custom", "--no-owner", "--no-acl", f"--snapshot={snapshot}")
    session = {"application_name": _APPLICATION, "statement_timeout": "0"}
    async with run_program("pg_dump", *arguments, url=url, settings=session) as program:
        with archive.open(DUMP, "w", force_zip64=True) as member:
            while piece := await program.stdout.read(PIECE):  # type: ignore[union-attr]
                member.write(piece)
                digest.update(piece)
                size += len(piece)
                if size // STEP > (size - len(piece)) // STEP:
                    say(f"{size / 1e6:,.0f} MB")
    return size, digest.hexdigest()


async def _note_backup(
    connection: asyncpg.Connection, manifest: Manifest, actor: str, say: Say
) -> None:
    """Add a line to the audit log, unless the server is a read-only replica."""
    details = {"made_at": manifest.made_at, "sha256": manifest.sha256}
    try:
        async with connection.transaction():
            await set_actor(connection, actor)
            await connection.execute(_SQL["note_backup"], msgspec.json.encode(details).decode())
    except asyncpg.ReadOnlySQLTransactionError:
        say("a read-only server: the audit log has no line of this")


@contextmanager
def _open_whole_file(file: Path) -> Iterator[IO[bytes]]:
    """Open `file` for writing, under another name until all of it is on disk.

    Raises FileExistsError.
    """
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


def verify_backup(file: Path, ours: dict[str, str]) -> Manifest:
    """The manifest of a whole backup whose migrations are among `ours` (name -> checksum).

    Raises BackupFailed, MigrationMismatch or OSError.
    """
    try:
        with ZipFile(file) as archive:
            manifest = msgspec.json.decode(archive.read(_MANIFEST), type=Manifest)
            if manifest.format != _FORMAT:
                raise BackupFailed(f"{file}: {manifest.format!r} is not a format of this version")
            with archive.open(DUMP) as member:
                dump_digest = _digest_member(member)
    except (BadZipFile, KeyError, EOFError, msgspec.MsgspecError, NotImplementedError) as error:
        raise BackupFailed(f"{file}: damaged, or not a backup of ours: {error}") from None
    if dump_digest != manifest.sha256:
        raise BackupFailed(f"{file}: damaged: the dump is not the one of its manifest")
    _check_migrations(file, manifest.migrations, ours)
    return manifest


def _check_migrations(file: Path, theirs: dict[str, str], ours: dict[str, str]) -> None:
    """Raise MigrationMismatch unless this version can bring the dump up to date."""
    for name, checksum in theirs.items():
        if name not in ours:
            raise MigrationMismatch(f"{file}: made by a newer version ({name}): upgrade first")
        if ours[name] != checksum:
            raise MigrationMismatch(f"{file}: its {name} is not the one of this version")


def _digest_member(member: IO[bytes]) -> str:
    digest = sha256()
    while piece := member.read(PIECE):
        digest.update(piece)
    return digest.hexdigest()


def list_figures(manifest: Manifest) -> dict[str, Any]:
    """The figures of a backup that are shown to an operator."""
    return {
        "made_at": manifest.made_at,
        "schema": manifest.schema,
        "model_version": manifest.model_version,
        "rows": manifest.rows,
        "dump_bytes": manifest.dump_bytes,
        "sha256": manifest.sha256,
    }
