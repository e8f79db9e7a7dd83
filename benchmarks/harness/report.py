"""Results: one JSON object for machines, a table for people, a file to compare with later."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parents[1] / "results"


def parse_arguments(description: str | None, **options: float) -> argparse.Namespace:
    """The options every benchmark has: `--json`, and these numbers and flags (False).

    `keep` of what is returned says that none was given, so that kept results are comparable.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    for name, default in options.items():
        option = f"--{name.replace('_', '-')}"
        if default is False:
            parser.add_argument(option, action="store_true")
        else:
            parser.add_argument(option, type=type(default), default=default)
    parsed = parser.parse_args()
    parsed.keep = all(getattr(parsed, name) == default for name, default in options.items())
    return parsed


def publish_result(name: str, result: Mapping[str, Any], parsed: argparse.Namespace) -> None:
    """Print the result; keep it as `benchmarks/results/<name>.json` if `given.keep`."""
    text = json.dumps(result, indent=2)
    if parsed.keep:
        RESULTS.mkdir(exist_ok=True)
        (RESULTS / f"{name}.json").write_text(text + "\n", encoding="utf-8")
    if parsed.json:
        print(text)
        return
    for table in build_tables(name, result):
        Console().print(table)


def build_tables(title: str, result: Mapping[str, Any]) -> Iterator[Table]:
    """A table of the single figures, and one for each figure that is told for many cases.

    Cases are the mappings of a mapping, such as the levels of a load: a row each.
    """
    figures = dict(_figures(result))
    single = Table("figure", "value", title=title)
    for name, value in figures.items():
        if not isinstance(value, Mapping):
            single.add_row(name, _format_value(value))
    yield single
    for name, value in figures.items():
        if isinstance(value, Mapping):
            yield from _by_case(f"{title}: {name}", value)


def _by_case(title: str, cases: Mapping[str, Mapping[str, Any]]) -> Iterator[Table]:
    """Rows of single figures, then a table for each figure that is itself a mapping."""
    names = list(next(iter(cases.values())))
    parts = [name for name in names if all(isinstance(of[name], Mapping) for of in cases.values())]
    columns = [name for name in names if name not in parts]
    if columns:
        table = Table("", title=title)
        for name in columns:
            table.add_column(name, justify="right")
        for case, of in cases.items():
            table.add_row(case, *(_format_value(of[name]) for name in columns))
        yield table
    for part in parts:
        yield from _by_case(f"{title}, {part}", {case: of[part] for case, of in cases.items()})


def _figures(result: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Single figures, and those of many cases, by their way into the result."""
    for key, value in result.items():
        if isinstance(value, Mapping) and not _is_series(value):
            yield from _figures(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _is_series(part: Mapping[str, Any]) -> bool:
    """Whether all are mappings of the same figures."""
    cases = list(part.values())
    return bool(cases) and all(
        isinstance(of, Mapping) and of.keys() == cases[0].keys() for of in cases
    )


def _format_value(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:,}" if isinstance(value, int | float) else str(value)
