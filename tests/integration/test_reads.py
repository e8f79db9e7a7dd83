"""What readers get, and that PostgreSQL finds it without looking at everything."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from pipeline.database import partitions
from pipeline.database.migrate import migrate_database
from pipeline.database.pool import open_pool
from pipeline.reads.feed import START, FeedFilter, read_feed_page
from pipeline.reads.source import STATEMENTS, ReadSource
from pipeline.reads.spending import read_spending
from pipeline.reads.sync import SyncCursor, read_sync_page
from pipeline.store.writer import Store
from tests.unit.pipeline.builders import Ingest, Push, Remove, chunk, scored, user

ANN = UUID(bytes=user("ann"))
TODAY = datetime.now(UTC).date()


@pytest.fixture(scope="module")
def url(make_database):
    return make_database()


@pytest.fixture
async def pool(url):
    await migrate_database(url)
    pool = await open_pool(url, size=3, name="test", timeout=20)
    async with pool.acquire() as connection:
        await partitions.ensure_months(connection, date(2025, 10, 1), max(date(2026, 4, 1), TODAY))
    await pool.execute("INSERT INTO feeds VALUES ($1), ($2)", ANN, UUID(bytes=user("bob")))
    yield pool
    await pool.execute(
        "TRUNCATE transactions, identity, feeds, receipts, failures, dead_letters, ledger"
    )
    pool.terminate()


async def write(pool, *items):
    message = chunk(Ingest(items))
    await Store(pool).store_chunk(message, scored(message))


async def synced(reads, cursor=SyncCursor(), limit=7):  # noqa: B008 - frozen
    """All pages from the cursor: added, modified, removed ids and the last cursor."""
    added, modified, removed = [], [], []
    while True:
        page = await read_sync_page(reads, ANN, cursor, limit)
        added += [row["transaction_id"] for row in page.added]
        modified += [row["transaction_id"] for row in page.modified]
        removed += [row["transaction_id"] for row in page.removed]
        cursor = page.next
        if not page.more:
            return added, modified, removed, cursor


def month_of_pushes(count=40):
    return [
        Push(f"t{i}", amount=-100 - i, day=date(2026, 1, 1) + timedelta(days=i))
        for i in range(count)
    ]


async def test_feed_pages_join_to_the_whole_feed_newest_first(pool):
    # Given forty rows over two months, and a removed one
    await write(pool, *month_of_pushes())
    await write(pool, Remove("t3"))
    # When the feed is read in pages of seven
    reads, after, seen = ReadSource(pool), None, []
    while True:
        page = await read_feed_page(reads, ANN, FeedFilter(), 7, after)
        seen += [row["transaction_id"] for row in page.rows]
        if not page.more:
            break
        after = (page.rows[-1]["booked_on"], page.rows[-1]["id"])
    # Then every row is there once, newest first, and the page knows the feed's position
    assert seen == [f"t{i}" for i in range(39, -1, -1) if i != 3]
    assert page.position == 41


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({"first": date(2026, 1, 2), "last": date(2026, 1, 3)}, {"t1", "t2"}),
        ({"min_amount": Decimal("-1.02"), "max_amount": Decimal("-1.01")}, {"t1", "t2"}),
        ({"categories": ("TRAVEL_FLIGHTS",)}, set()),
        ({"last": date.min}, set()),
        ({"merchant_key": "blue bottle", "last": date(2026, 1, 1)}, {"t0"}),
        ({"account_id": uuid4()}, set()),
        ({"needs_review": True}, set()),
    ],
)
async def test_a_filter_chooses_rows(pool, chosen, expected):
    await write(pool, *month_of_pushes())
    page = await read_feed_page(ReadSource(pool), ANN, FeedFilter(**chosen), 100)
    assert {row["transaction_id"] for row in page.rows} == expected


async def test_sync_says_what_was_added_modified_and_removed_since_the_cursor(pool):
    reads = ReadSource(pool)
    await write(pool, *month_of_pushes(10))
    added, _, _, cursor = await synced(reads)
    assert sorted(added) == sorted(f"t{i}" for i in range(10))
    # When rows change afterwards, one of them twice, and one comes and goes unseen
    await write(pool, Push("t1", amount=-1), Push("new"), Push("brief"), Remove("t2"))
    await write(pool, Push("t1", amount=-2), Remove("brief"))
    # Then the reader gets exactly these
    assert (await synced(reads, cursor))[:3] == (["new"], ["t1"], ["t2"])


async def test_a_row_that_changes_between_pages_is_not_missed(pool):
    reads = ReadSource(pool)
    await write(pool, *month_of_pushes(20))
    first = await read_sync_page(reads, ANN, SyncCursor(), 5)
    await write(pool, Push("t1", amount=-1), Push("t15", amount=-1))
    added, modified, removed, _ = await synced(reads, first.next)
    seen = {row["transaction_id"] for row in first.added} | set(added) | set(modified)
    assert seen == {f"t{i}" for i in range(20)}
    assert removed == []


class CountedSource(ReadSource):
    """Notes the first day of each question."""

    def __init__(self, pool):
        super().__init__(pool)
        self.asked = []

    async def fetch_rows_at(self, position, name, *values):
        self.asked.append(values[{"feed_page": 1, "sync_page": 4}[name]])
        return await super().fetch_rows_at(position, name, *values)


async def test_a_page_that_recent_months_fill_opens_no_others(pool):
    # Given twenty recent rows and twenty old ones
    recent = [Push(f"new{i}", day=TODAY - timedelta(days=i)) for i in range(20)]
    await write(pool, *recent, *month_of_pushes(20))
    # When a page needs the recent ones only, or more than these
    few, many = CountedSource(pool), CountedSource(pool)
    full = await read_feed_page(few, ANN, FeedFilter(), 10)
    rest = await read_feed_page(many, ANN, FeedFilter(), 30)
    # Then the first is answered by them, and the second is not cut short
    assert [row["transaction_id"] for row in full.rows] == [f"new{i}" for i in range(10)]
    assert full.more
    assert [first > date(2026, 1, 31) for first in few.asked] == [True]
    assert len(rest.rows) == 30
    assert [first > date(2026, 1, 31) for first in many.asked] == [True, False]


async def test_a_feed_that_is_all_recent_opens_no_other_months(pool):
    await write(pool, *[Push(f"new{i}", day=TODAY - timedelta(days=i)) for i in range(20)])
    reads = CountedSource(pool)
    page = await read_feed_page(reads, ANN, FeedFilter(), 30)
    assert len(page.rows) == 20
    assert len(reads.asked) == 1


@pytest.mark.parametrize(
    ("changes", "asked"),
    [
        ([Push("new1", day=TODAY), Push("new2", day=TODAY)], 1),
        ([Push("new1", day=TODAY), Push("t1", amount=-1)], 2),  # one of them of an old month
        ([Push("new1", day=TODAY), Push("new1", day=TODAY, amount=-7)], 2),  # a position void
        ([Push("new1", day=TODAY), Remove("t2")], 2),
        ([Push("t1", amount=-1)], 2),
    ],
)
async def test_sync_asks_all_months_unless_the_recent_ones_prove_complete(pool, changes, asked):
    # Given a reader who has read all
    await write(pool, *month_of_pushes(10))
    _, _, _, cursor = await synced(ReadSource(pool))
    # When some rows change, and readers are told so
    for change in changes:
        await write(pool, change)
    reads, position = CountedSource(pool), await ReadSource(pool).read_position(ANN)
    page = await read_sync_page(reads, ANN, cursor, 100, at=position)
    # Then the answer is that of all months, and they were asked only when it took them
    assert page == await read_sync_page(ReadSource(pool), ANN, cursor, 100)
    assert len(page.added + page.modified + page.removed) == len({c.id for c in changes})
    assert len(reads.asked) == asked


async def test_spending_sums_equal_the_feed(pool):
    await write(pool, *month_of_pushes(), Push("in", amount=90_000, day=date(2026, 1, 9)))
    spending = await read_spending(ReadSource(pool), ANN, date(2026, 1, 1), date(2026, 1, 31))
    (total,) = spending.groups["currency"]
    assert total["count"] == 32
    assert total["amount"] == 90_000 - sum(100 + i for i in range(31))
    assert len(spending.groups["day"]) == 31
    for name in ("category", "merchant", "account", "day"):
        assert sum(r["amount"] for r in spending.groups[name]) == total["amount"], name


async def test_an_empty_feed_and_an_unknown_user_differ(pool):
    reads = ReadSource(pool)
    assert (await read_feed_page(reads, ANN, FeedFilter(), 5)).rows == []
    assert (await read_spending(reads, ANN, date(2026, 1, 1), date(2026, 1, 31))).position == 0
    assert await read_feed_page(reads, uuid4(), FeedFilter(), 5) is None
    assert await read_sync_page(reads, uuid4(), SyncCursor(), 5) is None
    assert await reads.read_position(uuid4()) is None


async def plan_of(pool, name, *values):
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        lines = await connection.fetch(f"EXPLAIN (ANALYZE, COSTS OFF) {STATEMENTS[name]}", *values)
    return "\n".join(line[0] for line in lines)


async def crowd(pool):
    """Rows of two hundred others in every month, so that a wrong plan is tempting."""
    await write(pool, *month_of_pushes())
    await pool.execute(
        """
        INSERT INTO transactions
        SELECT n, n, -n, now(), DATE '2025-10-01' + n % 210, NULL, 1, 1, NULL, false, false, false,
               false, md5((n % 200)::text)::uuid, md5('id' || n)::uuid, md5('account')::uuid,
               'USD', 'OTHER_OTHER', 'model', 'added', n::text, 'text', 'text', 'text'
        FROM generate_series(1, 42000) n"""
    )
    await pool.execute("ANALYZE transactions")


async def test_the_feed_reads_the_key_of_the_months_it_needs(pool):
    await crowd(pool)
    values = (ANN, date(2025, 12, 1), date(2026, 2, 28), *START, *[None] * 6, 20)
    plan = await plan_of(pool, "feed_page", *values)
    assert "transactions_2026_02_pkey" in plan
    assert "transactions_2025_11" not in plan  # pruned: before the first day
    assert "transactions_2026_03" not in plan  # pruned: after the last day
    assert "Seq Scan" not in plan
    assert "never executed" in plan  # older months are not touched once the page is full


async def test_sync_reads_the_index_of_positions(pool):
    await crowd(pool)
    plan = await plan_of(pool, "sync_page", ANN, 5, 20, 5, date.min)
    assert "transactions_2026_01_user_id_position_idx" in plan
    assert "Merge Append" in plan
    assert "Seq Scan" not in plan


async def test_the_insight_reads_one_month(pool):
    await crowd(pool)
    plan = await plan_of(pool, "spending", ANN, date(2026, 1, 1), date(2026, 1, 31))
    assert "Index Scan on transactions_2026_01" in plan.replace(
        " using ", " on "
    )  # either index starts with the user
    assert "transactions_2025_12" not in plan
    assert "transactions_2026_02" not in plan
    assert "Seq Scan" not in plan
