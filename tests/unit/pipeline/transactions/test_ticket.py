"""Signed ids and cursors, and the clock behind them."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest

from pipeline.database.clock import Clock
from pipeline.transactions.ids import make_earliest_uuid7, read_uuid7_time
from pipeline.transactions.ticket import Signer, Ticket

ANN, BOB = bytes(16), bytes([1] * 16)


@pytest.fixture
def signer() -> Signer:
    return Signer(b"key")


def test_an_ingest_id_says_what_was_accepted(signer):
    ticket = Ticket(ANN, 3, 9_999, 1)
    assert signer.read_ingest_id(signer.make_ingest_id(ticket)) == ticket


def test_a_cursor_comes_back_to_its_own_user_and_kind(signer):
    text = signer.make_cursor(ANN, "sync", (42, 7))
    assert signer.read_cursor(text, ANN, "sync") == [42, 7]


@pytest.mark.parametrize(
    "spoil",
    [lambda t: "A" + t[1:], lambda t: t[:-2], lambda _: "", lambda _: "é*", lambda t: t + "AAAA"],
)
def test_a_forged_ticket_is_refused(signer, spoil):
    cursor = spoil(signer.make_cursor(ANN, "sync", (42, 7)))
    with pytest.raises(ValueError, match=r"malformed|not ours"):
        signer.read_cursor(cursor, ANN, "sync")
    with pytest.raises(ValueError, match=r"malformed|not ours"):
        signer.read_ingest_id(spoil(signer.make_ingest_id(Ticket(ANN, 1, 1, 0))))


def test_a_cursor_of_another_user_or_kind_or_system_is_refused(signer):
    text = signer.make_cursor(ANN, "sync", (42,))
    for other, user, kind in (
        (signer, BOB, "sync"),
        (signer, ANN, "feed"),
        (Signer(b"x"), ANN, "sync"),
    ):
        with pytest.raises(ValueError, match="not ours"):
            other.read_cursor(text, user, kind)


def test_ids_of_one_process_sort_as_they_were_made_and_tell_their_time():
    clock = Clock()
    ids = [clock.make_uuid7() for _ in range(5_000)]
    assert ids == sorted(set(ids))
    assert UUID(bytes=ids[0]).version == 7
    assert abs((read_uuid7_time(ids[-1]) - datetime.now(UTC)).total_seconds()) < 5
    assert (
        make_earliest_uuid7(read_uuid7_time(ids[0]))
        <= ids[0]
        < make_earliest_uuid7(datetime(2200, 1, 1, tzinfo=UTC))
    )
