"""The replay: push the whole feed, read all of it back, and hold the two against each other."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

import numpy as np

from workers.local.demo.cards import Purchase
from workers.local.demo.clients import App, Fate, Http, Integration, gathered

_CARDS_PER_USER: Final = 2
_PUSHES_AT_ONCE: Final = 4
_READERS_AT_ONCE: Final = 8
_LATE_AMOUNT: Final = "-12.34"

Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What was counted; times in milliseconds where the name says so, else in seconds."""

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
    def right(self) -> bool:
        return (
            self.lost == self.duplicated == 0
            and self.insights_agree
            and self.sync_agrees
            and self.late_transaction_seen
            and self.cache_invalidated
        )


@dataclass(frozen=True, slots=True)
class Found:
    """What a reader found of one user."""

    user_id: str
    feed: list[Row]
    synced: list[Row]
    insight_agrees: bool


async def warm_up(http: Http, run: str) -> None:
    """Push one row to a user of its own, so that the first batch meets a system at work."""
    integration = Integration(http)
    _, account_id = await integration.open_account(f"{run}-warm-up", "card", "GBP")
    today = time.strftime("%Y-%m-%d", time.gmtime())
    row = Purchase(0, "", today, "-1.00", "GBP", "WARM UP").transaction(account_id)
    await integration.push([row])


async def replay(
    http: Http, purchases: Sequence[Purchase], run: str, batch: int, advance: Callable[[int], None]
) -> Outcome:
    """Push `purchases` in batches for new users of this `run`, then read everything back."""
    began = time.monotonic()
    integration = Integration(http)
    accounts = await _open_accounts(integration, purchases, run)
    rows = [p.transaction(accounts[p.card][1]) for p in purchases]
    fates = await _push_all(integration, rows, batch, advance)
    users = sorted({user_id for user_id, _ in accounts.values()})
    found = await gathered([_read(App(http, user), user) for user in users], _READERS_AT_ONCE)
    busiest = max(found, key=lambda f: len(f.feed))
    late = await _late_transaction(http, integration, busiest, accounts)
    return _outcome(rows, fates, found, late, accounts=len(accounts), began=began)


async def _open_accounts(
    integration: Integration, purchases: Sequence[Purchase], run: str
) -> dict[str, tuple[str, str]]:
    """Card -> (user id, account id)."""
    currencies = {p.card: p.currency for p in purchases}
    opened = await gathered(
        [
            integration.open_account(f"{run}-{index // _CARDS_PER_USER}", card, currency)
            for index, (card, currency) in enumerate(sorted(currencies.items()))
        ],
        _READERS_AT_ONCE,
    )
    return dict(zip(sorted(currencies), opened, strict=True))


async def _push_all(
    integration: Integration, rows: Sequence[Row], batch: int, advance: Callable[[int], None]
) -> list[Fate]:
    async def push(some: Sequence[Row]) -> Fate:
        fate = await integration.push(some)
        advance(len(some))
        return fate

    return await gathered([push(some) for some in _batches(rows, batch)], _PUSHES_AT_ONCE)


async def _read(app: App, user_id: str) -> Found:
    feed = await app.feed()
    synced, _ = await app.sync()
    (month, _), *_ = Counter(row["date"][:7] for row in feed).most_common(1)
    insight = (await app.spending(month)).body
    return Found(user_id, feed, synced, agrees(insight, feed, month))


def agrees(insight: Row, feed: Sequence[Row], month: str) -> bool:
    """Whether the sums by category are exactly those of the month's rows in the feed."""
    sums: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for row in feed:
        if row["date"].startswith(month):
            sums[row["category"]["detailed"], row["currency"]] += Decimal(row["amount"])
    told = {(c["category"], c["currency"]): Decimal(c["amount"]) for c in insight["by_category"]}
    return told == sums


@dataclass(frozen=True, slots=True)
class Late:
    """What a reader saw before and after a transaction came late."""

    seen: bool
    invalidated: bool
    hits: int


async def _late_transaction(
    http: Http, integration: Integration, reader: Found, accounts: dict[str, tuple[str, str]]
) -> Late:
    """Read a month twice, push into it, and read it twice again."""
    app, newest = App(http, reader.user_id), reader.feed[0]
    _, cursor = await app.sync()
    before = [await app.spending(newest["date"][:7]) for _ in range(2)]
    unchanged = await app.spending(newest["date"][:7], before[1].tag)
    account_id = next(a for user, a in accounts.values() if user == reader.user_id)
    row = Purchase(
        0, "", newest["date"], _LATE_AMOUNT, newest["currency"], newest["description"]
    ).transaction(account_id)
    await integration.push([row | {"transaction_id": "late"}])
    after = [await app.spending(newest["date"][:7]) for _ in range(2)]
    arrived, _ = await app.sync(cursor)
    moved = _money_out(after[0].body) - _money_out(before[1].body)
    return Late(
        seen=[r["transaction_id"] for r in arrived] == ["late"] and moved == -Decimal(_LATE_AMOUNT),
        invalidated=before[1].hit and unchanged.status == 304 and not after[0].hit and after[1].hit,
        hits=sum(answer.hit for answer in (*before, unchanged, *after)),
    )


def _money_out(insight: Row) -> Decimal:
    return sum((Decimal(t["money_out"]) for t in insight["currency_totals"].values()), Decimal())


def _outcome(
    rows: Sequence[Row],
    fates: Sequence[Fate],
    found: Sequence[Found],
    late: Late,
    *,
    accounts: int,
    began: float,
) -> Outcome:
    feed = [row for user in found for row in user.feed]
    sent = {(row["account_id"], row["transaction_id"]) for row in rows}
    there = [(row["account_id"], row["transaction_id"]) for row in feed]
    seconds = max(f.stored for f in fates) - min(f.sent for f in fates)
    visible = np.array([f.stored - f.sent for f in fates]) * 1000
    return Outcome(
        rows_accepted=sum(fate.receipt["accepted"] for fate in fates),
        rows_in_feed=len(feed),
        lost=len(sent - set(there)),
        duplicated=len(there) - len(set(there)),
        users=len(found),
        accounts=accounts,
        insights_agree=all(user.insight_agrees for user in found),
        sync_agrees=all(_ids(user.feed) == _ids(user.synced) for user in found),
        late_transaction_seen=late.seen,
        cache_invalidated=late.invalidated,
        cache_hits=late.hits,
        transactions_per_s=round(len(rows) / seconds, 1),
        visible_p50_ms=round(float(np.percentile(visible, 50)), 1),
        visible_p99_ms=round(float(np.percentile(visible, 99)), 1),
        replay_s=round(time.monotonic() - began, 2),
        categories=_shares([row["category"]["primary"] for row in feed]),
        sources=_shares([row["category"]["source"] for row in feed]),
        needs_review=round(sum(row["category"]["needs_review"] for row in feed) / len(feed), 4),
    )


def _ids(rows: Sequence[Row]) -> list[str]:
    return sorted(row["id"] for row in rows)


def _shares(values: Sequence[str]) -> dict[str, float]:
    return {name: round(n / len(values), 4) for name, n in Counter(values).most_common()}


def _batches(rows: Sequence[Row], size: int) -> Iterator[Sequence[Row]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
