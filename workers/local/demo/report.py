"""How the demonstration prints its outcome: a table, and one line that says whether all is right."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from workers.local.demo.outcome import Outcome


def format_verdict(outcome: Outcome) -> str:
    """One line with the counts, and whether the insights agree."""
    agree = "agree" if outcome.insights_agree else "DISAGREE"
    return (
        f"demo: {outcome.rows_accepted:,} accepted, {outcome.rows_in_feed:,} in the feed, "
        f"{outcome.lost:,} lost, {outcome.duplicated:,} duplicated, insights {agree}"
    )


def print_outcome(outcome: Outcome, times: dict[str, float]) -> None:
    """Print the table and the verdict; `times` are seconds by stage."""
    table = Table(title="Card purchases through Spendline", show_header=False, min_width=56)
    for name, value in _list_lines(outcome, times):
        table.add_row(name, value)
    for title, shares in (("category", outcome.categories), ("source", outcome.sources)):
        table.add_section()
        for name, share in shares.items():
            table.add_row(f"{title} {name}", f"{share:.1%}")
    table.add_row("needs review", f"{outcome.needs_review:.1%}")
    Console().print(table)
    print(format_verdict(outcome))  # noqa: T201 - the result of a command


def _list_lines(outcome: Outcome, times: dict[str, float]) -> Iterator[tuple[str, str]]:
    yield "rows accepted", f"{outcome.rows_accepted:,}"
    yield "in the feed", f"{outcome.rows_in_feed:,}"
    yield "lost", f"{outcome.lost:,}"
    yield "duplicated", f"{outcome.duplicated:,}"
    yield "users, accounts", f"{outcome.users:,}, {outcome.accounts:,}"
    yield "transactions per second", f"{outcome.transactions_per_s:,.0f}"
    yield "POST to visible, p50", f"{outcome.visible_p50_ms:,.0f} ms"
    yield "POST to visible, p99", f"{outcome.visible_p99_ms:,.0f} ms"
    yield "full sync equals the feed", _format_bool(outcome.sync_agrees)
    yield "late transaction seen", _format_bool(outcome.late_transaction_seen)
    yield "cache hit, then invalidated", _format_bool(outcome.cache_invalidated)
    yield "cache hits", f"{outcome.cache_hits:,}"
    for name, seconds in times.items():
        yield f"time: {name}", f"{seconds:,.1f} s"


def _format_bool(value: bool) -> str:  # noqa: FBT001 - it is what is shown
    return "yes" if value else "NO"
