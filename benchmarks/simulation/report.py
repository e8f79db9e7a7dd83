"""What a simulation ends with: the loads as they were measured, and what is estimated from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.simulation.capacity import UTILISATION


def show_result(result: Mapping[str, Any]) -> None:
    _show_loads(result)
    if (cost := result["cost"]) is None:
        Console().print("No estimate: no load was held with the CPU of all its processes in sight.")
        return
    table = Table("cost", "value", title=f"Measured at {cost['users']:,} users, above idle")
    for name in [name for name in cost if name != "users"]:
        table.add_row(name.replace("_", " "), _format_value(cost[name]))
    Console().print(table)
    _show_estimates(result)


def _show_loads(result: Mapping[str, Any]) -> None:
    loads = result["loads"]
    title = f"Measured at {result['plan']['speed']:,.0f} times real time"
    table = Table("figure", *(f"{load['users']:,} users" for load in loads), title=title)
    for name in [name for name in loads[0] if name not in ("users", "history")]:
        table.add_row(name.replace("_", " "), *(_format_value(load[name]) for load in loads))
    Console().print(table)


def _show_estimates(result: Mapping[str, Any]) -> None:
    needs = result["estimates"]
    title = f"Estimated, at {UTILISATION:.0%} of the cores in the busiest hour"
    table = Table("estimate", *(f"{need['users']:,} users" for need in needs), title=title)
    table.add_row(
        "cores", *(_format_value(round(sum(need["cores"].values()), 2)) for need in needs)
    )
    for name in ("machines", "gigabytes_a_year"):
        table.add_row(name.replace("_", " "), *(_format_value(need[name]) for need in needs))
    table.add_row("what to add", *("\n".join(need["advice"]) for need in needs))
    Console().print(table)
    cores = result["plan"]["cores"]
    Console().print(f"{cores} cores hold some {result['users_held']:,} users (estimate).")


def _format_value(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "NO"
    if isinstance(value, Mapping):
        return "\n".join(f"{name} {_format_value(part)}" for name, part in value.items())
    return f"{value:,}" if isinstance(value, int | float) else str(value)
