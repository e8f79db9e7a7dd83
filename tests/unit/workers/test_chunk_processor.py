"""A chunk with bad rows: they are set aside, the others are stored."""

from __future__ import annotations

import pytest

from pipeline.database.clock import Clock
from pipeline.errors import NoPartition, StoreUnavailable
from tests.support.chunks import chunk
from tests.support.doubles import DEFECT, ConstantScorer
from workers.chunk_processor import ChunkProcessor, Defect, run_guarded
from workers.model_slot import ModelSlot

ROWS = 20


class Broker:
    """Keeps the dead letters."""

    def __init__(self) -> None:
        self.dead_letters: list[tuple[list[str], str]] = []

    def send_dead_letter(self, chunk, error):
        self.dead_letters.append((chunk.columns["transaction_id"], type(error).__name__))


class Store:
    """Stores in a list; refuses some ids for good, or everything for now."""

    clock = Clock()

    def __init__(self, *refused: str, away: bool = False) -> None:
        self.refused = set(refused)
        self.away = away
        self.stored: list[str] = []

    def rehearse_chunk(self, given, _):
        if self.away:
            raise StoreUnavailable("away")
        if self.refused & set(given.texts("transaction_id")):
            raise NoPartition("no month")

    def store_chunk(self, given, scored):
        self.rehearse_chunk(given, scored)
        self.stored += given.texts("transaction_id")


def work(store):
    broker = Broker()
    return broker, ChunkProcessor(broker, store, ModelSlot(ConstantScorer()))


@pytest.mark.parametrize("bad", [{0}, {7}, {3, 4, 19}])
def test_rows_that_the_store_refuses_die_alone(bad):
    store = Store(*(f"t{row}" for row in bad))
    broker, doing = work(store)
    doing.process_chunk(chunk(ROWS))
    assert broker.dead_letters == [([f"t{row}"], "NoPartition") for row in sorted(bad)]
    assert store.stored == [f"t{row}" for row in range(ROWS) if row not in bad]


def test_a_row_that_the_categorizer_cannot_take_dies_alone():
    store = Store()
    broker, doing = work(store)
    doing.process_chunk(
        chunk(ROWS, description=[DEFECT if n == 11 else "TEA" for n in range(ROWS)])
    )
    assert broker.dead_letters == [(["t11"], "Defect")]
    assert len(store.stored) == ROWS - 1


def test_when_every_row_fails_no_row_is_blamed():
    broker, doing = work(Store())
    with pytest.raises(Defect):
        doing.process_chunk(chunk(ROWS, description=[DEFECT] * ROWS))
    assert broker.dead_letters == []


def test_a_store_that_is_away_is_nobodys_fault():
    broker, doing = work(Store(away=True))
    with pytest.raises(StoreUnavailable):
        doing.process_chunk(chunk(ROWS))
    assert broker.dead_letters == []


def test_a_chunk_whose_id_is_not_ours_is_a_defect_without_words():
    broker, doing = work(Store())
    with pytest.raises(Defect, match="OverflowError at"):
        doing.process_chunk(chunk(ROWS, chunk_id=b"\xff" * 16))
    assert broker.dead_letters == []


def test_a_defect_tells_its_kind_and_place_but_none_of_its_words() -> None:
    def work() -> None:
        raise ValueError("TESCO STORES 3144, -4.50")

    with pytest.raises(
        Defect, match=r"^ValueError at test_chunk_processor.py:\d+ < chunk_processor.py:\d+$"
    ) as raised:
        run_guarded(work)
    assert raised.value.__context__ is None
    assert raised.value.__cause__ is None


def test_an_error_of_ours_passes_as_it_is() -> None:
    def work() -> None:
        raise StoreUnavailable("away")

    with pytest.raises(StoreUnavailable):
        run_guarded(work)
