"""Measures everything: one benchmark after the other, then one table of claims and bars.

    python -m benchmarks [NAME ...] [--kept] [--write-docs] [--json]

Each runs in a process of its own and keeps its result in benchmarks/results/, beside the plots.
The table shows what ran; with --kept nothing runs, and it shows the results that were kept before.
A missed bar is shown and is no failure. A benchmark that crashes fails the run, after the others ran.
"""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.harness import plots, readme
from benchmarks.harness.claims import Verdict, judge_claims
from benchmarks.harness.report import RESULTS

NAMES = ("categorizer", "pipeline", "latency", "ingest", "cache")


def read_kept_results(names: Sequence[str] = NAMES) -> dict[str, dict[str, Any]]:
    """The results that are kept of these benchmarks, by name."""
    files = {name: RESULTS / f"{name}.json" for name in names}
    return {name: json.loads(file.read_text()) for name, file in files.items() if file.exists()}


def run_benchmarks(names: Sequence[str]) -> list[str]:
    """Run the benchmarks; the names of those that ended well."""
    began, well = time.monotonic(), []
    for number, name in enumerate(names, 1):
        minutes, seconds = divmod(round(time.monotonic() - began), 60)
        _say(f"benchmark {number}/{len(names)}: {name}, {minutes}:{seconds:02d} since the start")
        status = subprocess.run(
            [sys.executable, "-m", f"benchmarks.{name}", "--json"],
            stdout=subprocess.DEVNULL,
            check=False,
        ).returncode
        if status == 0:
            well.append(name)
        else:
            _say(f"{name} failed with status {status}; again: python -m benchmarks.{name}")
    _say(f"{len(well)} of {len(names)} benchmarks in {time.monotonic() - began:.0f} s")
    return well


def show_verdicts(verdicts: Sequence[Verdict], title: str) -> None:
    """The table, a plain line for each bar that was missed, and where to read more."""
    table = Table("benchmark", "claim", "measured", "bar", "met", title=title)
    for verdict in verdicts:
        table.add_row(*verdict.build_row(), style=None if verdict.met else "bold red")
    console = Console(soft_wrap=True)
    console.print(table)
    for verdict in verdicts:
        if not verdict.met:
            name, claim, figure, bar, _ = verdict.build_row()
            console.print(f"Missed: {name}, {claim}: {figure}, the bar is {bar}")
    console.print("Full results: benchmarks/results/")


def report_benchmarks(names: Sequence[str], *, measure: bool, as_json: bool) -> list[str]:
    """Measure, draw, and print the table or one JSON object; returns what failed."""
    well = run_benchmarks(names) if measure else names
    results = read_kept_results(well)
    plots.draw_plots(results, RESULTS)
    verdicts = judge_claims(results)
    failed = [name for name in names if name not in well]
    if as_json:
        claims = [verdict.to_dict() for verdict in verdicts]
        print(json.dumps({"measured_now": measure, "claims": claims, "failed": failed}, indent=2))
    else:
        show_verdicts(verdicts, "measured now" if measure else "kept results, nothing measured now")
    return failed


def main() -> None:
    options = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    names = list(dict.fromkeys(options.names)) or NAMES
    failed = report_benchmarks(names, measure=not options.kept, as_json=options.json)
    if options.write_docs:
        readme.renew_figures(read_kept_results())
    if failed:
        sys.exit(f"failed: {', '.join(failed)}")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", metavar="NAME", nargs="*", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--kept", action="store_true", help="measure nothing")
    parser.add_argument(
        "--write-docs",
        action="store_true",
        help="renew the figures of README.md and docs/figures.md",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args()
    if unknown := set(options.names) - set(NAMES):
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    return options


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
