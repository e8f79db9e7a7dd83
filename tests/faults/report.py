"""What the faults have cost: a table for the terminal, JSON to keep, and docs/reliability.md.

`python -m tests.faults.report` renews the page from the kept results.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.harness.readme import replace_block
from benchmarks.harness.report import RESULTS

KEPT = RESULTS / "faults.json"
PAGE = RESULTS.parents[1] / "docs" / "reliability.md"


class Row(NamedTuple):
    """One fault: how often it was injected, transactions, and seconds.

    `stale_s` is the longest time an insight was behind a commit. `recovery_s` is the longest time
    from the end of a fault to the next commit of something accepted after it.
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
    by_fault = {row.fault: row for row in (*_read(file), *rows)}
    faults = [row._asdict() for row in in_order(by_fault.values())]
    text = json.dumps({"measured_on": f"{datetime.now(UTC):%Y-%m-%d}", "faults": faults}, indent=1)
    file.write_text(f"{text}\n", encoding="utf-8")


def markdown(kept: Mapping[str, Any]) -> str:
    """The table of docs/reliability.md, and the date of the latest run."""
    head = ("fault", "injected", "accepted", "lost", "doubled", "stale s", "recovery s")
    rows = [
        (
            *(row["fault"], f"{row['injected']:,}", f"{row['accepted']:,}", f"{row['lost']:,}"),
            *(f"{row['duplicated']:,}", f"{row['stale_s']:.2f}", f"{row['recovery_s']:.2f}"),
        )
        for row in kept["faults"]
    ]
    lines = [f"| {' | '.join(row)} |\n" for row in (head, ("---",) * len(head), *rows)]
    return "".join([*lines, f"\nThe latest run was on {kept['measured_on']}.\n"])


def _read(file: Path) -> list[Row]:
    if not file.exists():
        return []
    return [Row(**row) for row in json.loads(file.read_text(encoding="utf-8"))["faults"]]


if __name__ == "__main__":
    table_of_kept = markdown(json.loads(KEPT.read_text(encoding="utf-8")))
    page = replace_block(PAGE.read_text(encoding="utf-8"), "faults", table_of_kept)
    PAGE.write_text(page, encoding="utf-8")
