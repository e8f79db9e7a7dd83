"""The rules of a row's life."""

from __future__ import annotations

from datetime import date

import pytest

from pipeline.transactions.lifecycle import Fate
from tests.unit.pipeline.builders import Ingest, Push, Remove, chunk, scored, user
from tests.unit.pipeline.ledger import MemoryStore


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(user("ann"), user("bob"))


def write(store: MemoryStore, *ingests: Ingest, category: str = "FOOD_AND_DRINK_COFFEE"):
    message = chunk(*ingests)
    changes = store.write(message, scored(message, category))
    return [{Fate(f).name: n for f, n in enumerate(part) if n} for part in changes.fates.tolist()]


def test_new_rows_take_gap_free_positions_per_user(store):
    # Given rows of two users, mixed
    pushes = [Push(f"a{i}") for i in range(3)] + [Push(f"b{i}", "bob.card") for i in range(2)]
    # When they are written
    fates = write(store, Ingest([pushes[0], pushes[3], pushes[1], pushes[4], pushes[2]]))
    # Then each user's positions count from 1 and the feeds stand at the last
    assert fates == [{"ADDED": 5}]
    assert {t: r.position for t, r in store.feed().items()} == {
        "a0": 1, "a1": 2, "a2": 3, "b0": 1, "b1": 2,
    }  # fmt: skip
    assert store.feeds == {user("ann"): 3, user("bob"): 2}


def test_the_same_content_again_changes_nothing(store):
    write(store, Ingest([Push("t1")]))
    before = dict(store.transactions)
    assert write(store, Ingest([Push("t1")])) == [{"UNCHANGED": 1}]
    assert store.transactions == before


def test_changed_content_is_modified_and_keeps_its_first_position(store):
    write(store, Ingest([Push("t1"), Push("t2")]))
    assert write(store, Ingest([Push("t1", amount=-500)])) == [{"MODIFIED": 1}]
    row = store.feed()["t1"]
    assert (row.amount, row.position, row.first_position) == (-500, 3, 1)
    assert row.reason == "provider_update"


def test_another_date_moves_the_row_instead_of_doubling_it(store):
    write(store, Ingest([Push("t1")]))
    write(store, Ingest([Push("t1", day=date(2026, 3, 1))]))
    assert [row.booked_on for row in store.transactions.values()] == [date(2026, 3, 1)]
    assert next(iter(store.identity.values())) == (date(2026, 3, 1), None)


def test_a_users_own_category_survives_the_providers_update(store):
    write(store, Ingest([Push("t1")]))
    store.lock("t1", "TRAVEL_FLIGHTS")
    write(store, Ingest([Push("t1", amount=-1, description="other")]), category="OTHER_OTHER")
    row = store.feed()["t1"]
    assert (row.category, row.source, row.locked) == ("TRAVEL_FLIGHTS", "user", True)


def test_a_removed_row_stays_as_a_tombstone_and_is_not_resurrected(store):
    write(store, Ingest([Push("t1")]))
    assert write(store, Ingest([Remove("t1")])) == [{"REMOVED": 1}]
    assert write(store, Ingest([Push("t1", amount=-9)])) == [{"UNCHANGED": 1}]
    (tombstone,) = store.transactions.values()
    assert (tombstone.removed, tombstone.reason, tombstone.position) == (True, "removed", 2)


def test_a_removal_that_overtakes_its_row_keeps_it_out(store):
    assert write(store, Ingest([Remove("t1")], at=20)) == [{"UNCHANGED": 1}]
    assert write(store, Ingest([Push("t1")], at=10)) == [{"UNCHANGED": 1}]
    assert store.feed() == {}


def test_a_row_pushed_after_the_removal_of_nothing_is_added(store):
    write(store, Ingest([Remove("t1")], at=10))
    assert write(store, Ingest([Push("t1")], at=20)) == [{"ADDED": 1}]
    assert set(store.feed()) == {"t1"}


def test_an_older_version_never_replaces_a_newer_one(store):
    write(store, Ingest([Push("t1", amount=-2)], at=20))
    assert write(store, Ingest([Push("t1", amount=-1)], at=10)) == [{"UNCHANGED": 1}]
    assert store.feed()["t1"].amount == -2


def test_a_posted_row_replaces_the_pending_one_and_inherits_the_users_category(store):
    write(store, Ingest([Push("p1", pending=True)]))
    store.lock("p1", "TRAVEL_FLIGHTS")
    assert write(store, Ingest([Push("t1", names_pending="p1")])) == [{"ADDED": 1}]
    assert set(store.feed()) == {"t1"}
    posted = store.feed()["t1"]
    assert (posted.category, posted.locked) == ("TRAVEL_FLIGHTS", True)
    gone = next(r for r in store.transactions.values() if r.removed)
    assert (gone.transaction_id, gone.reason) == ("p1", "pending_posted")
    assert store.feeds[user("ann")] == 3


def test_a_pending_row_that_arrives_after_its_posted_one_stays_out(store):
    write(store, Ingest([Push("t1", names_pending="p1")]))
    assert write(store, Ingest([Push("p1", pending=True)])) == [{"UNCHANGED": 1}]
    assert set(store.feed()) == {"t1"}


def test_pending_and_posted_in_one_chunk_leave_the_posted_one(store):
    write(store, Ingest([Push("p1", pending=True), Push("t1", names_pending="p1")]))
    assert set(store.feed()) == {"t1"}


def test_the_same_bank_side_id_in_two_accounts_is_two_rows(store):
    assert write(store, Ingest([Push("t1", "ann.a"), Push("t1", "ann.b")])) == [{"ADDED": 2}]
    assert len(store.transactions) == 2


def test_of_doubles_in_one_chunk_the_last_accepted_wins_and_each_learns_its_fate(store):
    fates = write(
        store,
        Ingest([Push("t1", amount=-1)]),
        Ingest([Push("t1", amount=-2), Push("t2")]),
        Ingest([Push("t1", amount=-2)]),
    )
    assert fates == [{"ADDED": 1}, {"MODIFIED": 1, "ADDED": 1}, {"UNCHANGED": 1}]
    assert store.feed()["t1"].amount == -2
    assert sorted(r.position for r in store.feed().values()) == [1, 2]


def test_rows_of_an_erased_user_are_discarded_and_the_others_kept(store):
    fates = write(store, Ingest([Push("t1"), Push("x1", "zoe.card"), Remove("x2", "zoe.card")]))
    assert fates == [{"ADDED": 1, "DISCARDED": 2}]
    assert set(store.feed()) == {"t1"}
    assert user("zoe") not in store.feeds
