"""Put a backup in place of the database."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import click

from pipeline.backup.backup import list_figures
from pipeline.backup.restore import Restored, restore_backup
from pipeline.cache.connection import open_redis
from pipeline.cache.positions import PositionCache
from pipeline.settings import Settings
from workers.commands.output import json_option, print_figures, print_notice, print_result
from workers.commands.setup import name_operator, read_settings
from workers.preparation import prepare_database


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--replace", is_flag=True, help="Replace a database that is not empty, and keep it.")
@json_option
def command(*, file: Path, replace: bool, as_json: bool) -> None:
    """Restore the backup FILE. Stop all API and worker processes first.

    The file is checked before anything changes. The backup goes into a new database, which takes
    the name of the old one at the end.
    """
    settings = read_settings("database_url", "redis_url")
    began = time.monotonic()
    try:
        restored, forgotten = asyncio.run(_restore(settings, file, replace=replace))
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}") from None
    done = {
        "seconds": round(time.monotonic() - began, 1),
        "replaced": restored.replaced,
        **list_figures(restored.manifest),
    }
    print_result(done, print_figures, as_json=as_json)
    _print_remaining_steps(restored, settings.cache_seconds, forgotten=forgotten)


async def _restore(settings: Settings, file: Path, *, replace: bool) -> tuple[Restored, bool]:
    """Return what was done, and whether Redis has dropped the positions of the old database."""
    restored = await restore_backup(
        settings.database_url,
        file,
        replace=replace,
        actor=name_operator(),
        prepare=lambda url: prepare_database(url, settings.months_ahead),
        say=print_notice,
    )
    async with open_redis(settings.redis_url) as redis:
        positions = PositionCache(redis, settings.key_prefix, settings.cache_seconds)
        return restored, await positions.forget_all_positions()


def _print_remaining_steps(restored: Restored, seconds: float, *, forgotten: bool) -> None:
    old = restored.replaced
    if old:
        print_notice(f'the old database is {old}; when all is well: DROP DATABASE "{old}"')
    if restored.roles:
        roles = ", ".join(restored.roles)
        print_notice(f"{roles} could not be made: see SECURITY.md, database roles")
    if not forgotten:
        print_notice(
            f"Redis is away: wait {seconds:g} s after it is back, or delete its keys, then start"
        )
