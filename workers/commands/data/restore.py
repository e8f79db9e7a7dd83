"""Put a backup in place of the database."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import click
import msgspec

from pipeline.backup.backup import figures
from pipeline.backup.restore import Restored, restore
from pipeline.cache.connection import open_redis
from pipeline.cache.positions import PositionCache
from pipeline.settings import Settings
from workers.commands.data.migrate import bring_up_database
from workers.commands.data.tokens import operator
from workers.commands.output import print_figures


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--replace", is_flag=True, help="Replace a database that is not empty, and keep it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(*, file: Path, replace: bool, as_json: bool) -> None:
    """Restore the backup FILE; stop all API and worker processes before.

    The file is checked before anything is touched. The backup is put into a new database, which
    takes the name of the old one when it is ready.
    """
    settings = Settings.from_environment()
    settings.require_servers("database_url", "redis_url")
    began = time.monotonic()
    try:
        done, forgotten = asyncio.run(_restored(settings, file, replace=replace))
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}") from None
    seconds = round(time.monotonic() - began, 1)
    shown: dict[str, Any] = {
        "seconds": seconds,
        "replaced": done.replaced,
        **figures(done.manifest),
    }
    if as_json:
        click.echo(msgspec.json.encode(shown).decode())
    else:
        print_figures(shown)
    _tell_what_is_left(done, settings.cache_seconds, forgotten=forgotten)


async def _restored(settings: Settings, file: Path, *, replace: bool) -> tuple[Restored, bool]:
    """What was done, and whether Redis has forgotten the positions of before."""
    done = await restore(
        settings.database_url,
        file,
        replace=replace,
        actor=operator(),
        prepare=lambda url: bring_up_database(url, settings.months_ahead),
        say=lambda line: click.echo(line, err=True),
    )
    async with open_redis(settings.redis_url) as redis:
        positions = PositionCache(redis, settings.key_prefix, settings.cache_seconds)
        return done, await positions.forget_all_positions()


def _tell_what_is_left(done: Restored, seconds: float, *, forgotten: bool) -> None:
    left = []
    if done.replaced:
        left.append(
            f'the old database is {done.replaced}; when all is well: DROP DATABASE "{done.replaced}"'
        )
    if done.roles:
        left.append(f"{', '.join(done.roles)} could not be made: see SECURITY.md, database roles")
    if not forgotten:
        left.append(
            f"Redis is away: wait {seconds:g} s after it is back, or delete its keys, then start"
        )
    for line in left:
        click.echo(line, err=True)
