"""What a simulation ends with: one table of what was measured, one of what follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from workers.simulation.capacity import UTILISATION


def show(result: Mapping[str, Any]) -> None:
    table = Table(
        "figure", "value", title="Simulated load, measured; cost in CPU seconds and bytes"
    )
    for name, value in {**result["measured"], **result["cost"]}.items():
        table.add_row(name.replace("_", " "), _told(value))
    Console().print(table)
    if not (needs := result["estimates"]):
        return
    table = Table("estimate", *(f"{need['users']:,} users" for need in needs))
    table.add_row(
        f"cores at {UTILISATION:.0%} in the busiest hour",
        *(_told(round(sum(need["cores"].values()), 1)) for need in needs),
    )
    for name in ("machines", "gigabytes_a_year"):
        table.add_row(name.replace("_", " "), *(_told(need[name]) for need in needs))
    table.add_row("users a machine holds", _told(result["users_held"]))
    table.add_row("what to add", *("\n".join(need["advice"]) for need in needs))
    Console().print(table)


def _told(value: object) -> str:
    if isinstance(value, Mapping):
        return "\n".join(f"{name} {_told(part)}" for name, part in value.items())
    return f"{value:,}" if isinstance(value, int | float) else str(value)
