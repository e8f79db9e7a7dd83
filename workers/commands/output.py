"""What was done, as a table of two columns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table


def print_figures(figures: Mapping[str, Any]) -> None:
    """Numbers with thousands apart; a mapping as lines of its own."""
    table = Table(show_header=False, box=None)
    for name, value in figures.items():
        inner = value if isinstance(value, Mapping) else {name: value}
        for key, figure in inner.items():
            shown = f"{figure:,}" if isinstance(figure, int | float) else str(figure)
            table.add_row(key.replace("_", " "), shown)
    Console().print(table)
