"""Group commit: what leaves when, in which chunk, and who learns of its fate."""

from __future__ import annotations

import asyncio
from datetime import date
from uuid import uuid4

import numpy as np
import pytest

from api.http.problems import Overloaded
from api.ingest.coalesce import Coalescer
from api.ingest.columns import PushedColumns, build_chunk
from pipeline.access.accounts import Owner
from pipeline.database.clock import Clock
from pipeline.errors import BrokerUnavailable, MessageTooLarge
from pipeline.transactions.chunk import Chunk
from pipeline.transactions.columns import NO_DATE

TODAY = (date(2026, 11, 20) - date(1970, 1, 1)).days


class Broker:
    """Confirms or refuses when the test says so; refuses messages of more than `most` rows."""

    def __init__(self) -> None:
        self.most = 1_000
        self.sent: list[tuple[Chunk, asyncio.Future[None]]] = []
        self._sent_one = asyncio.Condition()

    async def publish(self, chunk: Chunk) -> None:
        if len(chunk) > self.most:
            raise MessageTooLarge
        confirm: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.sent.append((chunk, confirm))
        async with self._sent_one:
            self._sent_one.notify_all()
        await confirm

    async def reached(self, count: int) -> None:
        """Wait until so many chunks were sent."""
        async with self._sent_one:
            await self._sent_one.wait_for(lambda: len(self.sent) >= count)

    def confirm(self, index: int) -> None:
        self.sent[index][1].set_result(None)

    def refuse(self, index: int) -> None:
        self.sent[index][1].set_exception(BrokerUnavailable("away"))

    @property
    def sizes(self) -> list[list[int]]:
        return [[part.rows + part.removals for part in chunk.parts] for chunk, _ in self.sent]


def rows(
    count: int,
    removals: int = 0,
    *,
    owners: list[Owner] | None = None,
    account: object = None,
    removed_account: object = None,
    currencies: tuple[str, ...] = ("GBP",),
    **values: object,
) -> PushedColumns:
    required: dict[str, object] = {
        "transaction_id": [f"t{i}" for i in range(count)],
        "booked_on": np.full(count, TODAY, np.int32),
        "amount": np.arange(count),
        "description": [f"d{i}" for i in range(count)],
        "pending": np.zeros(count, np.uint8),
    }
    return PushedColumns(
        owners=owners or [Owner(uuid4().bytes, uuid4().bytes)],
        currencies=currencies,
        account=np.zeros(count, np.int32) if account is None else account,  # type: ignore[arg-type]
        currency=np.zeros(count, np.uint8),
        values=required | values,  # type: ignore[arg-type]
        removed_account=np.zeros(removals, np.int32)
        if removed_account is None
        else removed_account,  # type: ignore[arg-type]
        removed_transaction_id=[f"r{i}" for i in range(removals)],
    )


@pytest.fixture
def broker() -> Broker:
    return Broker()


@pytest.fixture
def coalescer(broker: Broker) -> Coalescer:
    return made(broker, gather_seconds=0)


def made(
    broker: Broker, *, lanes: int = 1, gather_seconds: float, chunk_rows: int = 10
) -> Coalescer:
    return Coalescer(
        broker,
        Clock(),
        chunk_rows=chunk_rows,
        unconfirmed_chunks=2,
        pending_rows=100,
        lanes=lanes,
        gather_seconds=gather_seconds,
    )


def submit(coalescer: Coalescer, columns: PushedColumns) -> asyncio.Task[list[bytes]]:
    return asyncio.create_task(coalescer.submit_rows(uuid4().bytes, columns))


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_a_request_leaves_at_once_and_is_answered_by_its_confirm(
    coalescer: Coalescer, broker: Broker
) -> None:
    request = submit(coalescer, rows(3))
    await settle()
    assert (broker.sizes, request.done()) == ([[3]], False)
    broker.confirm(0)
    await request


async def test_what_is_too_large_for_one_message_leaves_in_several(
    coalescer: Coalescer, broker: Broker
) -> None:
    # Given a broker that takes messages of four rows, and rows that gather behind two others
    broker.most = 4
    requests = [submit(coalescer, rows(n)) for n in (1, 1, 3, 2, 2)]
    await settle()
    # When they leave
    broker.confirm(0)
    await settle()
    # Then it is in messages that are not too large, and each request learns of its own
    assert broker.sizes == [[1], [1], [3], [2, 2]]
    broker.confirm(2)
    broker.refuse(3)
    await settle()
    assert [request.done() for request in requests] == [True, False, True, True, True]
    assert [type(request.exception()) for request in requests[3:]] == [BrokerUnavailable] * 2
    # And the next ones find room as if it had been one message
    broker.confirm(1)
    last = [submit(coalescer, rows(1)) for _ in range(2)]
    await settle()
    assert broker.sizes[4:] == [[1], [1]]
    for index in (4, 5):
        broker.confirm(index)
    await asyncio.gather(*last, requests[1])


async def test_a_single_part_that_is_too_large_is_an_error(
    coalescer: Coalescer, broker: Broker
) -> None:
    broker.most = 4
    with pytest.raises(MessageTooLarge):
        await submit(coalescer, rows(5))


async def test_requests_gather_while_the_bound_is_unconfirmed(
    coalescer: Coalescer, broker: Broker
) -> None:
    # Given
    requests = [submit(coalescer, rows(n)) for n in (1, 1, 4, 6, 2)]
    await settle()
    assert broker.sizes == [[1], [1]]
    # When
    broker.confirm(0)
    await settle()
    # Then
    assert broker.sizes == [[1], [1], [4, 6]]
    assert [request.done() for request in requests] == [True, False, False, False, False]
    for index in (1, 2):
        broker.confirm(index)
    await settle()
    broker.confirm(3)
    await asyncio.gather(*requests)


async def test_a_large_request_is_split_and_waits_for_all_its_chunks(
    coalescer: Coalescer, broker: Broker
) -> None:
    request = submit(coalescer, rows(18, removals=5))
    await settle()
    assert broker.sizes == [[10], [10]]
    broker.confirm(0)
    broker.confirm(1)
    await settle()
    assert not request.done()
    broker.confirm(2)
    assert len(await request) == 3
    chunks = [chunk for chunk, _ in broker.sent]
    assert [part.number for chunk in chunks for part in chunk.parts] == [0, 1, 2]
    assert [i for c in chunks for i in c.texts("transaction_id")] == [f"t{i}" for i in range(18)]
    assert [i for c in chunks for i in c.removed_transaction_id] == [f"r{i}" for i in range(5)]


async def test_a_refused_chunk_is_known_to_its_own_requests_only(
    coalescer: Coalescer, broker: Broker
) -> None:
    first, second = submit(coalescer, rows(10)), submit(coalescer, rows(10))
    await settle()
    broker.refuse(0)
    broker.confirm(1)
    await second
    with pytest.raises(BrokerUnavailable):
        await first


async def test_beyond_the_bound_nothing_is_taken(coalescer: Coalescer, broker: Broker) -> None:
    held = submit(coalescer, rows(95))
    await settle()
    with pytest.raises(Overloaded):
        await coalescer.submit_rows(uuid4().bytes, rows(6))
    small = submit(coalescer, rows(5))
    while not small.done():
        for _, confirm in broker.sent:
            if not confirm.done():
                confirm.set_result(None)
        await settle()
    await held
    assert sum(map(sum, broker.sizes)) == 100


async def test_a_request_that_is_gone_does_not_take_its_rows_with_it(
    coalescer: Coalescer, broker: Broker
) -> None:
    blockers = [submit(coalescer, rows(1)) for _ in range(2)]
    gone = submit(coalescer, rows(2))
    other = submit(coalescer, rows(3))
    await settle()
    gone.cancel()
    await settle()
    broker.confirm(0)
    broker.confirm(1)
    await settle()
    assert broker.sizes[2] == [2, 3]
    broker.confirm(2)
    await asyncio.gather(other, *blockers)
    await coalescer.drain()


async def test_messages_of_two_lanes_share_no_user_and_keep_the_order_of_each(
    broker: Broker,
) -> None:
    # Given a request of two users in turn
    owners = [Owner(uuid4().bytes, bytes(15) + bytes([n])) for n in range(2)]
    columns = rows(
        6, 2, owners=owners, account=np.array([0, 1] * 3), removed_account=np.array([0, 1])
    )
    # When
    request = submit(made(broker, lanes=2, gather_seconds=0), columns)
    await settle()
    # Then
    even, odd = (chunk for chunk, _ in broker.sent)
    assert (even.users, even.columns["transaction_id"], even.removed_transaction_id) == (
        [owners[0].user_id], ["t0", "t2", "t4"], ["r0"],
    )  # fmt: skip
    assert (odd.users, odd.columns["transaction_id"], odd.removed_transaction_id) == (
        [owners[1].user_id], ["t1", "t3", "t5"], ["r1"],
    )  # fmt: skip
    assert [part.number for chunk in (even, odd) for part in chunk.parts] == [0, 1]
    broker.confirm(0)
    await settle()
    assert not request.done()
    broker.confirm(1)
    assert await request == [even.chunk_id, odd.chunk_id]


async def test_a_small_request_of_two_users_stays_in_one_message(broker: Broker) -> None:
    owners = [Owner(uuid4().bytes, bytes(15) + bytes([n])) for n in range(2)]
    coalescer = made(broker, lanes=2, gather_seconds=0, chunk_rows=16)
    request = submit(coalescer, rows(2, owners=owners, account=np.arange(2)))
    await settle()
    assert broker.sizes == [[2]]
    broker.confirm(0)
    await request


async def test_a_busy_lane_gathers_until_a_message_is_full(broker: Broker) -> None:
    # Given a lane that has just sent
    coalescer = made(broker, gather_seconds=60)
    first = submit(coalescer, rows(1))
    await settle()
    # When more rows come, they wait, although nothing else does
    broker.confirm(0)
    few = submit(coalescer, rows(4))
    await settle()
    assert broker.sizes == [[1]]
    # Then a full message leaves
    more = submit(coalescer, rows(6))
    await settle()
    assert broker.sizes == [[1], [4, 6]]
    broker.confirm(1)
    await asyncio.gather(first, few, more)


async def test_rows_that_gather_leave_when_the_last_message_of_their_lane_is_stored(
    broker: Broker,
) -> None:
    # Given rows that gather behind a message
    coalescer = made(broker, gather_seconds=60)
    requests = [submit(coalescer, rows(n)) for n in (1, 2, 3)]
    await settle()
    (part,) = broker.sent[0][0].parts
    broker.confirm(0)
    # When others are stored, they stay; when that message is, they leave together
    coalescer.note_stored(uuid4().bytes, 0)
    coalescer.note_stored(part.ingest_id, part.number + 1)
    await settle()
    assert broker.sizes == [[1]]
    coalescer.note_stored(part.ingest_id, part.number)
    await settle()
    assert broker.sizes == [[1], [2, 3]]
    broker.confirm(1)
    await asyncio.gather(*requests)


async def test_rows_that_gather_leave_when_their_time_is_over_or_at_the_end(
    broker: Broker,
) -> None:
    for seconds, end in ((0.2, False), (60, True)):
        broker.sent.clear()
        coalescer = made(broker, gather_seconds=seconds)
        requests = [submit(coalescer, rows(1)) for _ in range(3)]
        await settle()
        draining = asyncio.create_task(coalescer.drain() if end else asyncio.sleep(0))
        async with asyncio.timeout(5):
            await broker.reached(2)
        assert broker.sizes == [[1], [1, 1]]
        broker.confirm(0)
        broker.confirm(1)
        await asyncio.gather(draining, *requests)


def test_a_chunk_holds_the_columns_of_its_parts_in_order() -> None:
    # Given
    one = rows(
        2,
        mcc=np.array([5411, 0], np.int16),
        authorized_on=np.array([TODAY - 1, NO_DATE], np.int32),
        merchant_name=["Tesco", None],
    )
    two = rows(1, removals=1, currencies=("JPY",), amount=np.array([-7]), pending=np.array([True]))
    # When
    chunk = build_chunk(uuid4().bytes, [(b"a" * 16, 0, one), (b"b" * 16, 3, two)])
    # Then
    chunk.check()
    assert [(p.ingest_id[:1], p.number, p.rows, p.removals) for p in chunk.parts] == [
        (b"a", 0, 2, 0),
        (b"b", 3, 1, 1),
    ]
    assert chunk.numbers("amount").tolist() == [0, 1, -7]
    assert chunk.account_places().tolist() == [0, 0, 1]
    assert chunk.row_currencies() == ["GBP", "GBP", "JPY"]
    assert chunk.columns["pending"] == bytes([0, 0, 1])
    assert chunk.numbers("mcc").tolist() == [5411, 0, 0]
    assert chunk.numbers("authorized_on").tolist() == [TODAY - 1, NO_DATE, NO_DATE]
    assert chunk.columns["merchant_name"] == ["Tesco", None, None]
    assert not {"metadata", "provider_category", "pending_transaction_id"} & chunk.columns.keys()
    assert chunk.accounts[chunk.removed_account_places()[0]] == chunk.accounts[1]
