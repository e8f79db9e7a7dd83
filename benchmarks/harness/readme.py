"""The measured figures in README.md and docs/figures.md, made from the kept results."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.harness.claims import Results, judge_claims
from benchmarks.harness.report import RESULTS

_ROOT = RESULTS.parents[1]
README = _ROOT / "README.md"
FIGURES = _ROOT / "docs" / "figures.md"


def renew_figures(results: Results) -> None:
    """Write the figures of these results into both files."""
    for file, name, lines in (
        (README, "figures", format_highlights(results)),
        (FIGURES, "claims", format_claims(results)),
    ):
        text = file.read_text(encoding="utf-8")
        file.write_text(replace_block(text, name, lines), encoding="utf-8")


def replace_block(text: str, name: str, lines: str) -> str:
    """Replace the lines between `<!-- name: begin -->` and its end.

    Raises ValueError when the text lacks one of the two markers.
    """
    begin, end = f"<!-- {name}: begin -->\n", f"<!-- {name}: end -->\n"
    if begin not in text or end not in text:
        raise ValueError(f"no lines {begin.strip()} and {end.strip()} to write between")
    before, _, rest = text.partition(begin)
    return f"{before}{begin}{lines}{end}{rest.partition(end)[2]}"


def format_claims(results: Results) -> str:
    """Markdown: a row for each claim, and where the figures come from."""
    rows = [
        ("benchmark", "claim", "measured", "bar", "met"),
        ("---",) * 5,
        *(verdict.build_row() for verdict in judge_claims(results)),
    ]
    lines = [f"| {' | '.join(row)} |\n" for row in rows]
    return "".join([*lines, "\n", *_sources(results)])


def format_highlights(results: Results) -> str:
    """Markdown: one figure each of pipeline, latency and cache, and where they come from."""
    chosen = {name: results[name] for name in ("pipeline", "latency", "cache") if name in results}
    lines = [f"- {_highlight(name, result)}\n" for name, result in chosen.items()]
    return "".join([*lines, "\n", *_sources(chosen)])


def _highlight(name: str, result: Mapping[str, Any]) -> str:
    match name:
        case "pipeline":
            return (
                f"**{result['pipeline_tx_per_s']:,.0f} transactions a second** from POST to stored: "
                f"{result['ratio']:.2f} of the speed of a bare COPY of the same rows."
            )
        case "latency":
            return (
                f"**{result['at_half_load']['visible_p99_ms']:,.0f} ms** from POST to visible, "
                "at the 99th percentile and half load."
            )
        case _:
            return (
                f"**{result['database_cpu_saved']:.0%} of the database's CPU** saved by the cache, "
                "against the same API without it."
            )


def _sources(results: Results) -> Iterator[str]:
    """One sentence for all benchmarks of one commit and machine."""
    names: dict[str, list[str]] = {}
    for name, result in results.items():
        names.setdefault(_source(result), []).append(name)
    yield from (f"{source}: {', '.join(of)}.\n" for source, of in names.items())


def _source(result: Mapping[str, Any]) -> str:
    return (
        f"Measured {result['measured_at'][:10]} at commit {result['commit']} "
        f"on {result['cores']} cores of {result['processor']}"
    )
