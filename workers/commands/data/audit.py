"""List the administrative acts: tokens, erasures, months, migrations."""

from __future__ import annotations

from typing import Any, Final

import click
import msgspec

from pipeline.access.audit import list_acts
from workers.commands.output import json_option, print_result, print_rows
from workers.commands.setup import ask_database

_COLUMNS: Final = ("at", "act", "subject", "actor", "login")


@click.command()
@click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=50,
    show_default=True,
    help="The number of acts to list.",
)
@json_option
def command(*, limit: int, as_json: bool) -> None:
    """List the administrative acts, the latest first.

    Each line says what was done, to whom, by whom, and through which login of the database.
    """
    rows = [
        dict(row) | {"details": msgspec.Raw((row["details"] or "null").encode())}
        for row in ask_database("audit", lambda pool: list_acts(pool, limit))
    ]
    print_result({"acts": rows}, _print_acts, as_json=as_json)


def _print_acts(listed: dict[str, list[dict[str, Any]]]) -> None:
    print_rows(
        _COLUMNS,
        (
            [(row | {"at": f"{row['at']:%Y-%m-%d %H:%M:%S}"})[name] for name in _COLUMNS]
            for row in listed["acts"]
        ),
    )
