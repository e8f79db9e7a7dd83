"""Random histories of pushes, updates, moves, removals and pending rows, against a plain model.

However the requests are cut into chunks, the feed is what one gets by applying them one by one.
"""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.pipeline.builders import Ingest, Push, Remove, account, chunk, scored, user
from tests.unit.pipeline.ledger import MemoryStore

_ids = st.sampled_from([f"t{i}" for i in range(5)])
_pending_ids = st.sampled_from(["p0", "p1"])
_accounts = st.sampled_from(["ann.a", "ann.b", "bob.a"])
_days = st.integers(0, 90).map(lambda n: date(2026, 1, 1) + timedelta(days=n))
_pushes = st.builds(
    Push,
    id=_ids,
    account=_accounts,
    amount=st.integers(-3, 3),
    day=_days,
    names_pending=st.none() | _pending_ids,
)
_pendings = st.builds(
    Push, id=_pending_ids, account=_accounts, amount=st.integers(-3, 3), pending=st.just(True)
)
_removals = st.builds(Remove, id=_ids | _pending_ids, account=_accounts)
_requests = st.lists(_pushes | _pendings | _removals, min_size=1, max_size=6)
_histories = st.lists(st.lists(_requests, min_size=1, max_size=3), min_size=1, max_size=8)


class PlainModel:
    """The contract in twenty lines: what a careful person would do by hand."""

    def __init__(self) -> None:
        self.live: dict[tuple[str, str], Push] = {}
        self.dead: set[tuple[str, str]] = set()

    def apply(self, request: list[Push | Remove]) -> None:
        for item in [i for i in request if isinstance(i, Push)]:
            key = (item.account, item.id)
            if key in self.dead:
                continue
            if item.names_pending and not self._same(key, item):
                pending = (item.account, item.names_pending)
                self.live.pop(pending, None)
                self.dead.add(pending)
            self.live[key] = item
        for item in [i for i in request if isinstance(i, Remove)]:
            if self.live.pop((item.account, item.id), None):
                self.dead.add((item.account, item.id))

    def _same(self, key: tuple[str, str], item: Push) -> bool:
        return self.live.get(key) == item


@given(_histories)
@settings(max_examples=20, deadline=None)
def test_the_feed_equals_the_plain_model(history):
    check(history)


@pytest.mark.slow
@given(_histories)
@settings(max_examples=2_000, deadline=None)
def test_two_thousand_histories_equal_the_plain_model(history):
    check(history)


def check(history):
    # Given a history of chunks of requests
    store, model = MemoryStore(user("ann"), user("bob")), PlainModel()
    for requests in history:
        message = chunk(*(Ingest(request) for request in requests))
        # When they are written chunk by chunk, and applied one by one to the model
        store.write(message, scored(message))
        for request in requests:
            model.apply(request)
    # Then both feeds are the same, and positions count every change exactly once
    feed = {
        (row.account_id.bytes, row.transaction_id): (row.amount, row.booked_on)
        for row in store.transactions.values()
        if not row.removed
    }
    assert feed == {
        (account(name), id_): (push.amount, push.day) for (name, id_), push in model.live.items()
    }
    for owner, position in store.feeds.items():
        taken = [r.position for r in store.transactions.values() if r.user_id.bytes == owner]
        assert len(set(taken)) == len(taken)
        assert max(taken, default=0) == position
