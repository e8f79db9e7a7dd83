"""Bring the database, the queues and the monthly partitions to this version."""

from __future__ import annotations

import asyncio

import click

from workers.commands.output import json_option, print_result
from workers.commands.setup import read_settings
from workers.preparation import prepare_system


@click.command()
@json_option
def command(*, as_json: bool) -> None:
    """Apply the migrations, store the taxonomy, declare the queues and create the months.

    A second run changes nothing.
    """
    done = asyncio.run(prepare_system(read_settings()))
    print_result(done, _print_names, as_json=as_json)


def _print_names(done: dict[str, list[str]]) -> None:
    for kind, names in done.items():
        click.echo(f"{kind}: {', '.join(names) if names else 'up to date'}")
