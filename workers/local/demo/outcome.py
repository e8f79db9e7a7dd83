"""The outcome of a demonstration: counts, checks, times and shares."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from client import NewTransaction
from workers.local.demo.late import LateArrival
from workers.local.demo.pushing import StoredBatch
from workers.local.demo.reading import UserData


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Counts and checks; names that end in `_ms` are milliseconds, and `_s` are seconds."""

    rows_accepted: int
    rows_in_feed: int
    lost: int
    duplicated: int
    users: int
    accounts: int
    insights_agree: bool
    sync_agrees: bool
    late_transaction_seen: bool
    cache_invalidated: bool
    cache_hits: int
    transactions_per_s: float
    visible_p50_ms: float
    visible_p99_ms: float
    replay_s: float
    categories: dict[str, float]
    sources: dict[str, float]
    needs_review: float

    @property
    def is_right(self) -> bool:
        return (
            self.lost == self.duplicated == 0
            and self.insights_agree
            and self.sync_agrees
            and self.late_transaction_seen
            and self.cache_invalidated
        )


def build_outcome(
    rows: Sequence[NewTransaction],
    batches: Sequence[StoredBatch],
    users: Sequence[UserData],
    late: LateArrival,
    began: float,
) -> Outcome:
    """Compare what was sent with what was read; `began` is of time.monotonic()."""
    feed = [row for user in users for row in user.feed]
    sent = {(row.account_id, row.transaction_id) for row in rows}
    read = [(row.account_id, row.transaction_id) for row in feed]
    seconds = max(batch.stored for batch in batches) - min(batch.sent for batch in batches)
    visible = np.array([batch.stored - batch.sent for batch in batches]) * 1000
    return Outcome(
        rows_accepted=sum(receipt.accepted for batch in batches for receipt in batch.receipts),
        rows_in_feed=len(feed),
        lost=len(sent - set(read)),
        duplicated=len(read) - len(set(read)),
        users=len(users),
        accounts=len({account_id for account_id, _ in sent}),
        insights_agree=all(user.sums_agree for user in users),
        sync_agrees=all(user.sync_agrees for user in users),
        late_transaction_seen=late.seen,
        cache_invalidated=late.invalidated,
        cache_hits=late.hits,
        transactions_per_s=round(len(rows) / seconds, 1),
        visible_p50_ms=round(float(np.percentile(visible, 50)), 1),
        visible_p99_ms=round(float(np.percentile(visible, 99)), 1),
        replay_s=round(time.monotonic() - began, 2),
        categories=_count_shares([row.category.primary for row in feed]),
        sources=_count_shares([row.category.source for row in feed]),
        needs_review=round(sum(row.category.needs_review for row in feed) / len(feed), 4),
    )


def _count_shares(values: Sequence[str]) -> dict[str, float]:
    return {name: round(n / len(values), 4) for name, n in Counter(values).most_common()}
