"""What the demonstration reads, how it judges, and that it would notice a fault."""

from __future__ import annotations

import gzip
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from client import AssignedCategory, CategorySum, Transaction
from workers.local.demo import cards
from workers.local.demo.outcome import DemoOutcome
from workers.local.demo.reading import has_equal_sums
from workers.local.demo.report import format_verdict

HEADER = "date,card,merchant,amount,currency\n"


@pytest.fixture
def right() -> DemoOutcome:
    return DemoOutcome(
        rows_accepted=20_000,
        rows_in_feed=20_000,
        lost=0,
        duplicated=0,
        users=75,
        accounts=150,
        insights_agree=True,
        sync_agrees=True,
        late_transaction_seen=True,
        cache_invalidated=True,
        cache_hits=3,
        transactions_per_s=1.0,
        visible_p50_ms=1.0,
        visible_p99_ms=1.0,
        replay_s=1.0,
        categories={},
        sources={},
        needs_review=0.0,
    )


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz"])
def test_what_was_spent_is_money_out(tmp_path: Path, suffix: str) -> None:
    text = HEADER + "2014-04-02,0984,kfc,33.73,GBP\n2014-04-03,0984,kfc,-5.00,GBP\n"
    path = tmp_path / f"feed{suffix}"
    path.write_bytes(gzip.compress(text.encode()) if suffix == ".csv.gz" else text.encode())
    purchases = cards.read_purchases(path, None)
    assert [p.amount for p in purchases] == [Decimal("-33.73"), Decimal("5.00")]
    assert cards.find_date_range(purchases) == (date(2014, 4, 2), date(2014, 4, 3))
    assert len(cards.read_purchases(path, 1)) == 1


def test_the_shipped_feed_has_twenty_thousand_rows_with_ids_of_their_own() -> None:
    purchases = cards.read_purchases(cards.FEED, None)
    assert len(purchases) >= 20_000
    assert len({p.to_transaction(UUID(int=1)).transaction_id for p in purchases}) == len(purchases)


def test_a_wrong_feed_is_named(tmp_path: Path) -> None:
    with pytest.raises(cards.UnreadableFeed, match="cannot read"):
        cards.read_purchases(tmp_path / "none.csv", None)
    (tmp_path / "wrong.csv").write_text("a,b\n1,2\n")
    with pytest.raises(cards.UnreadableFeed, match="no column amount, card"):
        cards.read_purchases(tmp_path / "wrong.csv", None)


def test_the_verdict_is_one_line(right: DemoOutcome) -> None:
    assert right.is_right
    assert format_verdict(right) == (
        "demo: 20,000 accepted, 20,000 in the feed, 0 lost, 0 duplicated, insights agree"
    )


@pytest.mark.parametrize(
    "fault",
    [
        {"lost": 1},
        {"duplicated": 1},
        {"insights_agree": False},
        {"sync_agrees": False},
        {"late_transaction_seen": False},
        {"cache_invalidated": False},
    ],
)
def test_any_fault_is_noticed(right: DemoOutcome, fault: dict[str, Any]) -> None:
    assert not replace(right, **fault).is_right


def _row(amount: str, category: str, day: date = date(2026, 10, 5)) -> Transaction:
    return Transaction(
        id=UUID(int=1),
        transaction_id="1",
        account_id=UUID(int=2),
        date=day,
        amount=Decimal(amount),
        currency="GBP",
        description="",
        merchant=None,
        category=AssignedCategory("", category, 1.0, "model", 1, needs_review=False),
        pending=False,
        position=1,
        reason="added",
    )


def _sums(**amounts: str) -> list[CategorySum]:
    return [CategorySum(name, "", "GBP", Decimal(text), 1) for name, text in amounts.items()]


@pytest.mark.parametrize(
    ("amounts", "agree"),
    [
        ({"A": "-3.30", "B": "5.00"}, True),
        ({"A": "-3.31", "B": "5.00"}, False),
        ({"A": "-3.30"}, False),
        ({"A": "-3.30", "B": "5.00", "C": "0.00"}, False),
    ],
)
def test_sums_agree_only_to_the_penny_and_for_every_category(
    amounts: dict[str, str], *, agree: bool
) -> None:
    feed = [_row("-1.10", "A"), _row("-2.20", "A"), _row("5.00", "B")]
    feed += [_row("9.99", "A", date(2026, 11, 1))]
    assert has_equal_sums(_sums(**amounts), feed, "2026-10") is agree
