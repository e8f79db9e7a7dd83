"""Write the whole database to one file, as it is at one moment."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from pipeline.backup.backup import back_up, figures
from pipeline.settings import Settings
from workers.commands.data.tokens import operator
from workers.commands.output import print_figures


@click.command()
@click.option(
    "--to", "file", type=click.Path(path_type=Path), help="spendline-<time>.backup if left out."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(*, file: Path | None, as_json: bool) -> None:
    """Back up the database to FILE, which must not be there yet; the system may go on meanwhile.

    The file holds everybody's transactions and the key that signs cursors, in plain text.
    """
    file = file or Path(f"spendline-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.backup")
    settings = Settings.from_environment()
    settings.require_servers("database_url")
    began = time.monotonic()
    try:
        manifest = asyncio.run(
            back_up(
                settings.database_url, file, operator(), lambda line: click.echo(line, err=True)
            )
        )
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}") from None
    shown = {
        "file": str(file),
        "bytes": file.stat().st_size,
        "seconds": round(time.monotonic() - began, 1),
        **figures(manifest),
    }
    if as_json:
        click.echo(msgspec.json.encode(shown).decode())
    else:
        print_figures(shown)
