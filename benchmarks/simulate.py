"""The capacity page: simulates a user base, keeps the result, and renews docs/figures.md.

    python -m benchmarks.simulate [--users N] [--days N] [--scale-to N] [--minutes M | --speed S] [--kept] [--json]

`python -m benchmarks.simulation` does the work; here it gets its provenance and its place. With --kept nothing is
simulated: the table is made of the result that is kept.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.harness.machine import describe_origin
from benchmarks.harness.readme import FIGURES, replace_block
from benchmarks.harness.report import RESULTS

SEED = 23
_FILE = RESULTS / "simulate.json"


def run_simulation(arguments: list[str]) -> dict[str, Any]:
    origin = describe_origin(SEED)
    run = subprocess.run(
        [sys.executable, "-m", "benchmarks.simulation", "--json", *arguments],
        stdout=subprocess.PIPE,
        check=False,
    )
    if run.returncode:
        sys.exit(f"the simulation failed or lost something: {run.stdout.decode()}")
    return dict(json.loads(run.stdout)) | origin


def format_table(result: Mapping[str, Any]) -> str:
    """Markdown: what was measured, what follows from it, and where the figures come from."""
    rows = [("what", "figure", ""), ("---",) * 3, *_measured(result), *_estimated(result)]
    source = (
        f"Measured {result['measured_at'][:10]} at commit {result['commit']} "
        f"on {result['cores']} cores of {result['processor']}."
    )
    return "".join([*(f"| {' | '.join(row)} |\n" for row in rows), f"\n{source}\n"])


def _measured(result: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for load in result["loads"]:
        yield (
            (
                f"{load['users']:,} users: {load['people']:,} people "
                f"at {result['plan']['speed']:,.0f} times real time"
            ),
            "; ".join(_seen(load)),
            "measured",
        )
    if cost := result["cost"]:
        for what, figure in _costs(cost):
            yield what, figure, "measured"


def _seen(load: Mapping[str, Any]) -> Iterator[str]:
    yield f"{load['pushes_per_s']:,.1f} pushes and {load['reads_per_s']:,.1f} reads a second"
    named = {"POST": "post_ms", "visible": "visible_ms", "read": "read_ms"}
    latencies = ", ".join(f"{name} {load[key]['p99']:,.0f}" for name, key in named.items())
    yield f"p99 in ms: {latencies}"
    yield f"{load['hit_rate']:.0%} of reads hit the cache"
    yield f"{load['busy_cores']:.2f} cores busy"
    yield f"{load['lost']:,} lost, {load['errors']:,} errors"
    yield "held" if load["held"] else "NOT held"


def _costs(cost: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    named = {
        "CPU seconds a million transactions, pushed 500 at a time": "per_million_transactions",
        "CPU seconds a day of 1,000 active users": "per_thousand_users_a_day",
    }
    for name, key in named.items():
        parts = ", ".join(f"{kind} {seconds:,.1f}" for kind, seconds in cost[key].items())
        yield name, f"{sum(cost[key].values()):,.1f} ({parts})"
    yield "bytes a transaction on disk", f"{cost['bytes_a_transaction']:,.0f}"


def _estimated(result: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    if (held := result["users_held"]) is not None:
        yield f"users that {result['plan']['cores']} cores hold", f"{held:,}", "estimate"
    for need in result["estimates"]:
        yield (
            f"{need['users']:,} users need",
            (
                f"{sum(need['cores'].values()):.1f} cores in the busiest hour, "
                f"{need['gigabytes_a_year']:,.0f} GB a year; {'; '.join(need['advice'])}"
            ),
            "estimate",
        )


def main() -> None:
    options, others = _arguments()
    if options.kept:
        result = json.loads(_FILE.read_text(encoding="utf-8"))
    else:
        result = run_simulation(others)
        _FILE.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    text = FIGURES.read_text(encoding="utf-8")
    FIGURES.write_text(replace_block(text, "capacity", format_table(result)), encoding="utf-8")
    print(json.dumps(result, indent=2) if options.json else format_table(result))


def _arguments() -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kept", action="store_true", help="simulate nothing")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser.parse_known_args()


if __name__ == "__main__":
    main()
