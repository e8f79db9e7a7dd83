"""The README's table of claims, made from the kept results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.claims import Results, judged

BEGIN, END = "<!-- bench: begin -->\n", "<!-- bench: end -->\n"


def renewed(text: str, results: Results) -> str:
    """The text with another table of claims."""
    return between(text, BEGIN, END, table(results))


def between(text: str, begin: str, end: str, wanted: str) -> str:
    """The text with what is `wanted` between two lines; ValueError when it has no such lines."""
    if begin not in text or end not in text:
        raise ValueError(f"no lines {begin.strip()} and {end.strip()} to write the table between")
    before, _, rest = text.partition(begin)
    return f"{before}{begin}{wanted}{end}{rest.partition(end)[2]}"


def table(results: Results) -> str:
    """Markdown: a row for each claim, and where the figures come from."""
    rows = [
        ("benchmark", "claim", "measured", "bar", "met"),
        ("---",) * 5,
        *(verdict.row() for verdict in judged(results)),
    ]
    lines = [f"| {' | '.join(row)} |\n" for row in rows]
    return "".join([*lines, "\n", *_sources(results)])


def _sources(results: Results) -> Iterator[str]:
    """One sentence for all benchmarks of one commit and machine."""
    names: dict[str, list[str]] = {}
    for name, result in results.items():
        names.setdefault(_source(result), []).append(name)
    yield from (f"{told}: {', '.join(of)}.\n" for told, of in names.items())


def _source(result: Mapping[str, Any]) -> str:
    return (
        f"Measured {result['measured_at'][:10]} at commit {result['commit']} "
        f"on {result['cores']} cores of {result['processor']}"
    )
