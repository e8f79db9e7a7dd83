"""The command line: a table, JSON, or the picture of the journeys."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.support.house.bars import CODE
from tests.support.house.journey import draw_journeys, judge_journeys
from tests.support.house.report import draw_table, list_figures, measure_checkout
from tests.support.house.source import read_source

_HERE = Path(__file__).parents[3]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print what was asked for."""
    options = _read_options(arguments)
    if options.journey:
        source = read_source(options.tree, CODE)
        lines = [*draw_journeys(source), judge_journeys(source)]
    elif options.json:
        lines = [json.dumps(list_figures(measure_checkout(options.tree)), indent=1)]
    else:
        lines = [*draw_table(measure_checkout(options.tree), places=options.places)]
    sys.stdout.write("\n".join(lines) + "\n")


def _read_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.support.house", description=__doc__)
    parser.add_argument("--tree", type=Path, default=_HERE, help="the checkout to measure")
    parser.add_argument("--json", action="store_true", help="all figures with all their places")
    parser.add_argument("--journey", action="store_true", help="the modules that are passed")
    parser.add_argument("--places", type=int, default=5, help="places shown under a figure")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    main()
