"""The capacity page: simulates a user base, keeps the result, and renews the README's table.

    python -m benchmarks.simulate [--users N] [--days N] [--scale-to N] [--kept] [--json]

`spendline simulate` does the work; here it gets its provenance and its place. With --kept nothing is
simulated: the table is made of the result that is kept.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.machine import provenance
from benchmarks.readme import between
from benchmarks.report import RESULTS

SEED = 23
README = Path(__file__).parent.parent / "README.md"
BEGIN, END = "<!-- capacity: begin -->\n", "<!-- capacity: end -->\n"
_FILE = RESULTS / "simulate.json"


def simulated(arguments: list[str]) -> dict[str, Any]:
    told = provenance(SEED)
    spendline = Path(sys.executable).with_name("spendline")
    run = subprocess.run(
        [str(spendline), "simulate", "--json", *arguments], stdout=subprocess.PIPE, check=False
    )
    if run.returncode:
        sys.exit(f"the simulation failed or lost something: {run.stdout.decode()}")
    return dict(json.loads(run.stdout)) | told


def table(result: Mapping[str, Any]) -> str:
    """Markdown: what was measured, and what follows from it."""
    rows = [("", "", ""), ("---",) * 3, *_measured(result), *_estimated(result)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _measured(result: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    cost, seen = result["cost"], result["measured"]
    for name, parts in (
        (
            "CPU seconds a million transactions, pushed 500 at a time",
            cost["per_million_transactions"],
        ),
        (
            "CPU seconds a day of 1,000 active users, small pushes and reads",
            cost["per_thousand_users_a_day"],
        ),
    ):
        told = ", ".join(f"{kind} {seconds:,.1f}" for kind, seconds in parts.items())
        yield name, f"{sum(parts.values()):,.1f} ({told})", "measured"
    yield "bytes a transaction on disk", f"{cost['bytes_a_transaction']:,.0f}", "measured"
    yield (
        f"{seen['users_driven']:,} users at {seen['speed']:,} times real time",
        (
            f"{seen['pushed']:,} pushed, {seen['lost']:,} lost, {seen['reads']:,} reads, "
            f"{seen['errors']:,} errors, visible p99 {seen['visible_ms']['p99']:,.0f} ms"
        ),
        "measured",
    )


def _estimated(result: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    cores = result["plan"]["cores"]
    yield f"users that {cores} cores hold", f"{result['users_held']:,}", "estimate"
    for need in result["estimates"]:
        yield (
            f"{need['users']:,} users",
            (
                f"{sum(need['cores'].values()):.1f} cores in the busiest hour, "
                f"{need['gigabytes_a_year']:,.0f} GB a year; {'; '.join(need['advice'])}"
            ),
            "estimate",
        )


def main() -> None:
    given, others = _arguments()
    if given.kept:
        result = json.loads(_FILE.read_text(encoding="utf-8"))
    else:
        result = simulated(others)
        _FILE.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    text = README.read_text(encoding="utf-8")
    README.write_text(between(text, BEGIN, END, table(result)), encoding="utf-8")
    print(json.dumps(result, indent=2) if given.json else table(result))


def _arguments() -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kept", action="store_true", help="simulate nothing")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser.parse_known_args()


if __name__ == "__main__":
    main()
