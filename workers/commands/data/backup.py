"""Write the whole database to one file, as it is at one moment."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from pathlib import Path

import click

from pipeline.backup.backup import back_up, list_figures
from workers.commands.output import json_option, print_figures, print_notice, print_result
from workers.commands.setup import name_operator, read_settings


@click.command()
@click.option(
    "--to",
    "file",
    type=click.Path(path_type=Path),
    help="The file to write.  [default: spendline-<time>.backup]",
)
@json_option
def command(*, file: Path | None, as_json: bool) -> None:
    """Back up the database to a new file while the system goes on.

    The file holds all transactions and the key that signs cursors, in plain text.
    """
    file = file or Path(f"spendline-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.backup")
    settings = read_settings("database_url")
    began = time.monotonic()
    try:
        manifest = asyncio.run(back_up(settings.database_url, file, name_operator(), print_notice))
    except OSError as error:
        raise click.ClickException(f"{error.filename}: {error.strerror}") from None
    written = {
        "file": str(file),
        "bytes": file.stat().st_size,
        "seconds": round(time.monotonic() - began, 1),
        **list_figures(manifest),
    }
    print_result(written, print_figures, as_json=as_json)
