"""List the administrative acts: tokens, erasures, months, migrations."""

from __future__ import annotations

import click
import msgspec
from rich.console import Console
from rich.table import Table

from pipeline.access.audit import acts
from workers.commands.setup import with_pool


@click.command()
@click.option("--limit", type=click.IntRange(1, 100_000), default=50, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(*, limit: int, as_json: bool) -> None:
    """List administrative acts, the latest first: what, of whom, by whom, through which login."""
    rows = [
        dict(row) | {"details": msgspec.Raw((row["details"] or "null").encode())}
        for row in with_pool("audit", lambda pool: acts(pool, limit))
    ]
    if as_json:
        click.echo(msgspec.json.encode({"acts": rows}).decode())
        return
    table = Table("at", "act", "subject", "actor", "login", box=None)
    for row in rows:
        at = f"{row['at']:%Y-%m-%d %H:%M:%S}"
        table.add_row(at, row["act"], row["subject"], row["actor"] or "", row["login"])
    Console().print(table)
