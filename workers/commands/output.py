"""How commands print: results on standard output, for people or for programs; the rest on stderr."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from operator import methodcaller
from typing import Any, Final, TypeVar

import click
import msgspec
from rich.console import Console
from rich.table import Table

T = TypeVar("T")

json_option: Final = click.option(
    "--json", "as_json", is_flag=True, help="Print one JSON document instead of text."
)


def print_result(result: T, print_text: Callable[[T], None], *, as_json: bool) -> None:
    """Print `result` as one line of JSON, or as `print_text` does for people."""
    if as_json:
        print_json(result)
    else:
        print_text(result)


def print_json(result: Any) -> None:
    """Print one line of JSON; scalars of numpy are printed as numbers."""
    click.echo(msgspec.json.encode(result, enc_hook=methodcaller("item")).decode())


def print_figures(figures: Mapping[str, Any]) -> None:
    """Print names and values; a mapping inside gives lines of its own."""
    table = Table(show_header=False, box=None)
    for name, value in figures.items():
        inner = value if isinstance(value, Mapping) else {name: value}
        for key, figure in inner.items():
            shown = f"{figure:,}" if isinstance(figure, int | float) else str(figure)
            table.add_row(key.replace("_", " "), shown)
    Console().print(table)


def print_rows(headings: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Print a table; None is an empty cell."""
    table = Table(*headings, box=None)
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    Console().print(table)


def print_notice(line: str) -> None:
    """Print a line about the progress of the work on standard error."""
    click.echo(line, err=True)
