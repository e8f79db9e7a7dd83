"""Random histories on PostgreSQL, read meanwhile by devices that sync, against a plain model.

Some histories run side by side, each with users of its own: what they write in one step is one
chunk, as it comes from the coalescer. `make histories HISTORIES=2000` tries more of them.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import count, zip_longest
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.database import partitions
from pipeline.database.migrate import migrate_database
from pipeline.database.pool import open_pool
from pipeline.reads.feed import FeedFilter, read_feed_page
from pipeline.reads.source import ReadSource
from pipeline.reads.spending import read_spending
from pipeline.reads.sync import SyncCursor, read_sync_page
from pipeline.store.writer import Store
from pipeline.transactions.chunk import Chunk
from tests.unit.pipeline.builders import Ingest, Push, Remove, account, chunk, scored, user
from tests.unit.pipeline.histories import PlainModel, items

SIDE_BY_SIDE = 4
FIRST, LAST = date(2026, 1, 1), date(2026, 4, 30)
NAMES = ("ann", "bob")

Key = tuple[bytes, str]
Content = tuple[int, date, bool]
_number = count()


class Write(NamedTuple):
    """One to three requests; `again`: their chunk is delivered twice."""

    requests: list[list[Push | Remove]]
    again: bool


class Read(NamedTuple):
    """One page of the sync of one device, of each user."""

    device: int
    limit: int


_writes = st.builds(
    Write,
    st.lists(st.lists(items, min_size=1, max_size=4), min_size=1, max_size=2),
    st.sampled_from([False, False, False, True]),
)
_reads = st.builds(Read, st.integers(0, 1), st.integers(1, 5))
_histories = st.lists(_writes | _writes | _reads, min_size=10, max_size=20)


class Device:
    """What one reader of one feed knows by the pages of its sync alone."""

    def __init__(self, reads: ReadSource, owner: UUID) -> None:
        self._reads = reads
        self._owner = owner
        self._cursor = SyncCursor()
        self.rows: dict[Key, Content] = {}

    async def read(self, limit: int) -> bool:
        """Read a page; whether there is more."""
        page = await read_sync_page(self._reads, self._owner, self._cursor, limit)
        assert page is not None
        told = [*page.added, *page.modified, *page.removed]
        positions = [row["position"] for row in told]
        assert len(set(positions)) == len(positions)
        assert all(self._cursor.position < p <= page.position for p in positions)
        assert {key_of(row) for row in page.modified} <= self.rows.keys()
        self.rows |= {key_of(row): content_of(row) for row in [*page.added, *page.modified]}
        for row in page.removed:
            self.rows.pop(key_of(row), None)
        self._cursor = page.next
        return page.more


@dataclass
class History:
    """One history on its way: the model, and two devices of each of its users."""

    name: str
    devices: list[list[Device]]
    model: PlainModel = field(default_factory=PlainModel)

    @property
    def users(self) -> list[UUID]:
        return [owner_in(self.name, name) for name in NAMES]

    def write(self, step: Write) -> list[Ingest]:
        """The requests for the store, with the users of this history; the model has had them."""
        for request in step.requests:
            self.model.apply(request)
        return [
            Ingest([replace(i, account=f"{self.name}-{i.account}") for i in request])
            for request in step.requests
        ]

    def expected(self, name: str) -> dict[Key, Content]:
        """The feed of one user."""
        return {
            (account(f"{self.name}-{key[0]}"), key[1]): (push.amount, push.day, push.pending)
            for key, push in self.model.live.items()
            if key[0].startswith(name)
        }


def owner_in(history: str, name: str) -> UUID:
    return UUID(bytes=user(f"{history}-{name}"))


def key_of(row: asyncpg.Record) -> Key:
    return row["account_id"].bytes, row["transaction_id"]


def content_of(row: asyncpg.Record) -> Content:
    return row["amount"], row["booked_on"], row["pending"]


class Bench:
    """The store under test, and the counts of what was tried."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self.pool = pool
        self.store = Store(pool)
        self.reads = ReadSource(pool)
        self.tried: Counter[str] = Counter()

    async def run(self, batch: list[list[Write | Read]]) -> None:
        histories = [await self._begun() for _ in batch]
        for steps in zip_longest(*batch):
            pairs = [(h, s) for h, s in zip(histories, steps, strict=True) if s is not None]
            await self._write([(h, s) for h, s in pairs if isinstance(s, Write)])
            for history, step in pairs:
                if isinstance(step, Read):
                    for device in history.devices[step.device]:
                        await device.read(step.limit)
            self.tried["steps"] += len(pairs)
        for history in histories:
            await self._check(history)
        self.tried["histories"] += len(batch)

    async def _begun(self) -> History:
        history = History(f"h{next(_number)}", [])
        await self.pool.execute(
            "INSERT INTO feeds (user_id) SELECT unnest($1::uuid[])", history.users
        )
        history.devices = [[Device(self.reads, u) for u in history.users] for _ in range(2)]
        return history

    async def _write(self, steps: list[tuple[History, Write]]) -> None:
        """All of it as one chunk; every position that it gives out is that of one row."""
        ingests = [ingest for history, step in steps for ingest in history.write(step)]
        if not ingests:
            return
        message = chunk(*ingests)
        before = await self._positions(message)
        after = await self.store.store_chunk(message, scored(message))
        given = await self.pool.fetch(
            "SELECT t.user_id, array_agg(t.position ORDER BY t.position) AS positions "
            "FROM unnest($1::uuid[], $2::bigint[]) AS f (user_id, position) "
            "JOIN transactions t ON t.user_id = f.user_id AND t.position > f.position GROUP BY 1",
            [UUID(bytes=owner) for owner in before],
            list(before.values()),
        )
        assert {row["user_id"].bytes: row["positions"] for row in given} == {
            owner: list(range(position + 1, after[owner] + 1))
            for owner, position in before.items()
            if after[owner] > position
        }
        if any(step.again for _, step in steps):
            assert await self.store.store_chunk(message, scored(message)) == after
            assert await self._positions(message) == after

    async def _positions(self, message: Chunk) -> dict[bytes, int]:
        owners = [UUID(bytes=owner) for owner in set(message.users)]
        found = await self.pool.fetch(
            "SELECT user_id, position FROM feeds WHERE user_id = ANY($1)", owners
        )
        return {row["user_id"].bytes: row["position"] for row in found}

    async def _check(self, history: History) -> None:
        """The feed, both devices' copies of it and the sums over it are what the model says."""
        for index, name in enumerate(NAMES):
            owner, expected = history.users[index], history.expected(name)
            page = await read_feed_page(self.reads, owner, FeedFilter(), 1000)
            assert page is not None
            assert {key_of(row): content_of(row) for row in page.rows} == expected
            for devices in history.devices:
                while await devices[index].read(3):
                    pass
                assert devices[index].rows == expected
            spending = await read_spending(self.reads, owner, FIRST, LAST)
            assert spending is not None
            assert sums(spending.groups["account"], "account_id") == added_up(
                (UUID(bytes=key[0]), content) for key, content in expected.items()
            )
            assert sums(spending.groups["day"], "booked_on") == added_up(
                (content[1], content) for content in expected.values()
            )


def sums(groups: list[asyncpg.Record], name: str) -> dict[Any, tuple[int, int]]:
    """(amount, count) by what is grouped by."""
    return {row[name]: (row["amount"], row["count"]) for row in groups}


def added_up(contents: Iterator[tuple[Any, Content]]) -> dict[Any, tuple[int, int]]:
    found: dict[Any, tuple[int, int]] = {}
    for key, (amount, _, _) in contents:
        total, rows = found.get(key, (0, 0))
        found[key] = (total + amount, rows + 1)
    return found


async def opened(url: str) -> Bench:
    await migrate_database(url)
    pool = await open_pool(url, size=2, name="test", timeout=20)
    async with pool.acquire() as connection:
        await partitions.ensure_months(connection, FIRST, LAST)
    return Bench(pool)


def test_feeds_copies_and_sums_equal_the_plain_model(
    make_database: Any, pytestconfig: pytest.Config, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = pytestconfig.getoption("histories")
    with asyncio.Runner() as runner:
        bench = runner.run(opened(make_database()))

        @given(st.lists(_histories, min_size=SIDE_BY_SIDE, max_size=SIDE_BY_SIDE))
        @settings(
            max_examples=-(-wanted // SIDE_BY_SIDE),
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        def tried(batch: list[list[Write | Read]]) -> None:
            runner.run(bench.run(batch))

        tried()
        bench.pool.terminate()
    with capsys.disabled():
        print(f"\n{bench.tried['histories']:,} histories, {bench.tried['steps']:,} steps")  # noqa: T201
    assert bench.tried["histories"] >= wanted
