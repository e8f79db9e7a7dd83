"""Chunks cut into pieces."""

from __future__ import annotations

import numpy as np
import pytest

from pipeline.transactions.chunk import Part
from pipeline.transactions.envelope import decode_envelope, encode_envelope
from pipeline.transactions.ids import read_uuid7_time
from pipeline.transactions.split import cut_piece, find_culprits, halve_chunk, keep_rows
from tests.support.chunks import chunk, clock


def of_two_ingests():
    """Five rows of one ingest, three and a removal of another."""
    parts = [Part(clock.make_uuid7(), 0, 5, 0), Part(clock.make_uuid7(), 2, 3, 1)]
    return chunk(
        8,
        users=[bytes([n]) * 16 for n in range(1, 4)],
        parts=parts,
        removed_account=np.array([1], np.int32).tobytes(),
        removed_transaction_id=["gone"],
        mcc=np.arange(8, dtype=np.int16).tobytes(),
        merchant_name=[None, "a", None, "b", None, "c", None, "d"],
    )


def test_halves_hold_every_row_once_and_the_removals_once():
    whole = of_two_ingests()
    first, second = halve_chunk(whole)
    for half in (first, second):
        half.check()
    assert (
        first.columns["transaction_id"] + second.columns["transaction_id"]
        == whole.columns["transaction_id"]
    )
    assert first.columns["mcc"] + second.columns["mcc"] == whole.columns["mcc"]
    assert (
        first.columns["merchant_name"] + second.columns["merchant_name"]
        == whole.columns["merchant_name"]
    )
    assert (first.removed_transaction_id, second.removed_transaction_id) == (["gone"], [])
    assert len({whole.chunk_id, first.chunk_id, second.chunk_id}) == 3


def test_a_piece_is_the_same_every_time_and_as_old_as_its_chunk():
    whole = of_two_ingests()
    assert halve_chunk(whole) == halve_chunk(whole)
    assert read_uuid7_time(halve_chunk(whole)[1].chunk_id) == read_uuid7_time(whole.chunk_id)


@pytest.mark.parametrize("bad", [[0], [3], [4, 5], [0, 7]])
def test_no_two_pieces_share_the_number_of_a_part(bad):
    whole = of_two_ingests()
    pieces = [cut_piece(whole, np.array([row])) for row in bad]
    pieces.append(keep_rows(whole, np.delete(np.arange(8), bad)))
    numbers = [(part.ingest_id, part.number) for cut in pieces for part in cut.parts]
    assert len(numbers) == len(set(numbers))
    assert sum(part.rows for cut in pieces for part in cut.parts) == 8
    assert sum(part.removals for cut in pieces for part in cut.parts) == 1


def test_no_two_pieces_of_pieces_share_the_number_of_a_part():
    quarters = [quarter for half in halve_chunk(of_two_ingests()) for quarter in halve_chunk(half)]
    pieces = [eighth for quarter in quarters for eighth in halve_chunk(quarter)]
    numbers = [(part.ingest_id, part.number) for cut in pieces for part in cut.parts]
    assert len(numbers) == len(set(numbers)) == 9


def test_the_rest_keeps_its_id_so_that_it_is_written_once():
    whole = of_two_ingests()
    assert keep_rows(whole, np.arange(1, 8)).chunk_id == whole.chunk_id


def failing(*bad: str):
    return lambda cut: bool(set(bad) & set(cut.columns["transaction_id"]))


def test_the_rows_at_fault_are_found():
    assert find_culprits(of_two_ingests(), failing("t2", "t7"), most=4) == [2, 7]


def test_nobody_is_blamed_when_only_the_whole_fails_or_too_many_do():
    whole = of_two_ingests()
    assert find_culprits(whole, lambda _: False, most=4) == []
    assert find_culprits(whole, lambda _: True, most=4) == []


def test_a_piece_travels_as_a_message():
    cut = cut_piece(of_two_ingests(), np.array([6]))
    assert decode_envelope(encode_envelope(cut, "q", 0)).args[0] == cut
