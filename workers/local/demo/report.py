"""What the demonstration ends with: a table, and one line that says whether all is right."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.table import Table

from workers.local.demo.replay import Outcome


def verdict(outcome: Outcome) -> str:
    agree = "agree" if outcome.insights_agree else "DISAGREE"
    return (
        f"demo: {outcome.rows_accepted:,} accepted, {outcome.rows_in_feed:,} in the feed, "
        f"{outcome.lost:,} lost, {outcome.duplicated:,} duplicated, insights {agree}"
    )


def show(outcome: Outcome, times: dict[str, float]) -> None:
    table = Table(title="Card purchases through Spendline", show_header=False, min_width=56)
    for name, value in _lines(outcome, times):
        table.add_row(name, value)
    for title, shares in (("category", outcome.categories), ("source", outcome.sources)):
        table.add_section()
        for name, share in shares.items():
            table.add_row(f"{title} {name}", f"{share:.1%}")
    table.add_row("needs review", f"{outcome.needs_review:.1%}")
    Console().print(table)


def _lines(outcome: Outcome, times: dict[str, float]) -> Iterator[tuple[str, str]]:
    yield "rows accepted", f"{outcome.rows_accepted:,}"
    yield "in the feed", f"{outcome.rows_in_feed:,}"
    yield "lost", f"{outcome.lost:,}"
    yield "duplicated", f"{outcome.duplicated:,}"
    yield "users, accounts", f"{outcome.users:,}, {outcome.accounts:,}"
    yield "transactions per second", f"{outcome.transactions_per_s:,.0f}"
    yield "POST to visible, p50", f"{outcome.visible_p50_ms:,.0f} ms"
    yield "POST to visible, p99", f"{outcome.visible_p99_ms:,.0f} ms"
    yield "full sync equals the feed", _yes(outcome.sync_agrees)
    yield "late transaction seen", _yes(outcome.late_transaction_seen)
    yield "cache hit, then invalidated", _yes(outcome.cache_invalidated)
    yield "cache hits", f"{outcome.cache_hits:,}"
    for name, seconds in times.items():
        yield f"time: {name}", f"{seconds:,.1f} s"


def _yes(truth: bool) -> str:  # noqa: FBT001 - it is what is shown
    return "yes" if truth else "NO"
