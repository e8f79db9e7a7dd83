"""What the faults have cost, as a table and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple


class Row(NamedTuple):
    """One fault: how often it was injected, transactions, and seconds.

    `stale_s` is the longest time an insight was behind a commit, `recovery_s` the longest from
    the end of a fault to the next commit of something accepted after it.
    """

    fault: str
    injected: int
    accepted: int
    lost: int
    duplicated: int
    stale_s: float
    recovery_s: float


def table(rows: Iterable[Row]) -> list[str]:
    """Lines of a table."""
    head = f"{'fault':<52}{'injected':>9}{'accepted':>10}{'lost':>6}{'duplicated':>12}"
    lines = [f"{head}{'stale s':>9}{'recovery s':>12}"]
    lines += [
        f"{r.fault:<52}{r.injected:>9,}{r.accepted:>10,}{r.lost:>6,}{r.duplicated:>12,}"
        f"{r.stale_s:>9.2f}{r.recovery_s:>12.2f}"
        for r in rows
    ]
    return lines


def in_order(rows: Iterable[Row]) -> list[Row]:
    """By the number that every fault's name begins with."""
    return sorted(rows, key=lambda row: int(row.fault.partition(" ")[0]))


def write(rows: Iterable[Row], file: Path) -> None:
    """Keep what other runs have written of other faults."""
    known = {row.fault: row for row in (*_read(file), *rows)}
    text = json.dumps({"faults": [r._asdict() for r in in_order(known.values())]}, indent=1)
    file.write_text(f"{text}\n", encoding="utf-8")


def _read(file: Path) -> list[Row]:
    if not file.exists():
        return []
    return [Row(**row) for row in json.loads(file.read_text(encoding="utf-8"))["faults"]]
