"""Random histories of pushes, updates, moves, removals and pending rows, against a plain model.

However the requests are cut into chunks, the feed is what one gets by applying them one by one.
"""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.pipeline.builders import Ingest, account, chunk, scored, user
from tests.unit.pipeline.histories import PlainModel, items
from tests.unit.pipeline.ledger import MemoryStore

_requests = st.lists(items, min_size=1, max_size=6)
_histories = st.lists(st.lists(_requests, min_size=1, max_size=3), min_size=1, max_size=8)


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
