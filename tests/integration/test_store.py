"""The write path against PostgreSQL."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import asyncpg
import msgspec
import numpy as np
import pytest

from pipeline.database import partitions
from pipeline.database.migrate import load_migrations, migrate_database
from pipeline.database.pool import open_pool
from pipeline.database.queries import load_queries
from pipeline.errors import NoPartition
from pipeline.reads.receipts import read_receipt
from pipeline.reads.source import ReadSource
from pipeline.store.dead_letters import DeadLetters
from pipeline.store.retention import delete_old_receipts
from pipeline.store.writer import Store
from pipeline.transactions.chunk import Part
from pipeline.transactions.columns import IDENTITY_COLUMNS, TRANSACTION_COLUMNS
from pipeline.transactions.identity import digest_identity, make_transaction_ids
from pipeline.transactions.ticket import Ticket
from tests.unit.pipeline.builders import (
    Ingest,
    Push,
    Remove,
    account,
    chunk,
    scored,
    tick,
    user,
)


@pytest.fixture(scope="module")
def url(make_database):
    return make_database()


@pytest.fixture
def older_url(make_database):
    return make_database()


@pytest.fixture
async def pool(url):
    await migrate_database(url)
    pool = await open_pool(url, size=6, name="test", timeout=20)
    async with pool.acquire() as connection:
        await partitions.ensure_months(connection, date(2025, 12, 1), date(2026, 6, 1))
    yield pool
    await pool.execute(
        "TRUNCATE transactions, identity, feeds, receipts, failures, dead_letters, ledger"
    )
    pool.terminate()


@pytest.fixture
async def store(pool):
    await add_users(pool, "ann", "bob")
    return Store(pool)


async def add_users(pool, *names):
    for name in names:
        await pool.execute("INSERT INTO feeds (user_id) VALUES ($1)", UUID(bytes=user(name)))


async def write(store, *ingests):
    message = chunk(*ingests)
    return message, await store.store_chunk(message, scored(message))


async def feed(pool):
    rows = await pool.fetch("SELECT * FROM transactions WHERE NOT removed")
    return {row["transaction_id"]: row for row in rows}


async def receipt(pool, message, part=0):
    told = message.parts[part]
    ticket = Ticket(told.ingest_id, 1, told.rows, told.removals)
    return await read_receipt(ReadSource(pool), ticket)


async def test_a_chunk_is_written_with_its_positions_and_receipts(pool, store):
    # Given a chunk of two ingests of two users
    message, positions = await write(
        store, Ingest([Push("t1"), Push("t2", amount=-1)]), Ingest([Push("t3", "bob.card")])
    )
    # Then the rows are as they were pushed, and each ingest knows its feeds' positions
    rows = await feed(pool)
    assert rows["t1"]["amount"] == -450
    assert rows["t1"]["description"] == "SQ *BLUE BOTTLE"
    assert rows["t1"]["booked_on"] == date(2026, 1, 15)
    assert positions == {user("ann"): 2, user("bob"): 1}
    first, second = await receipt(pool, message), await receipt(pool, message, 1)
    assert (first.status, first.added, first.positions) == (
        "stored", 2, {UUID(bytes=user("ann")): 2},
    )  # fmt: skip
    assert second.positions == {UUID(bytes=user("bob")): 1}


async def test_a_redelivered_chunk_changes_nothing_and_tells_the_same(pool, store):
    message, positions = await write(store, Ingest([Push("t1"), Push("t2")]))
    again = await store.store_chunk(message, scored(message))
    assert again == positions
    assert await pool.fetchval("SELECT count(*) FROM transactions") == 2


async def test_update_move_removal_and_return_are_one_row_all_along(pool, store):
    await write(store, Ingest([Push("t1"), Push("t2")]))
    await write(store, Ingest([Push("t1", amount=-1, day=date(2026, 3, 2))]))
    moved = await pool.fetch("SELECT * FROM transactions WHERE transaction_id = 't1'")
    assert [(r["booked_on"], r["amount"], r["position"]) for r in moved] == [
        (date(2026, 3, 2), -1, 3)
    ]
    await write(store, Ingest([Remove("t1")]))
    message, _ = await write(store, Ingest([Push("t1", amount=-7)]))
    assert set(await feed(pool)) == {"t2"}
    assert (await receipt(pool, message)).unchanged == 1
    assert await pool.fetchval("SELECT count(*) FROM transactions") == 2


async def test_a_removal_before_its_row_is_kept_until_the_row_comes(pool, store):
    await write(store, Ingest([Remove("t1")], at=20))
    await write(store, Ingest([Push("t1")], at=10))
    assert await feed(pool) == {}
    await write(store, Ingest([Push("t1")], at=30))
    assert set(await feed(pool)) == {"t1"}
    assert await pool.fetchval("SELECT removed_at FROM identity") is None


async def test_transactions_that_share_a_digest_are_not_confused(pool, store, monkeypatch):
    # Given that all transactions of a user are looked up under one number
    monkeypatch.setattr(
        "pipeline.transactions.rows.digest_identities", lambda _, ids: np.full(len(ids), 7, ">i8")
    )
    for module in ("store.writer", "transactions.lifecycle"):
        monkeypatch.setattr(f"pipeline.{module}.digest_identity", lambda *_: 7)
    # When they are added, changed, moved and removed
    await write(store, Ingest([Push("t1"), Push("t2"), Push("t3")]))
    await write(store, Ingest([Push("t1", amount=-1, day=date(2026, 3, 2)), Push("t4")]))
    message, _ = await write(store, Ingest([Push("t2"), Remove("t3"), Push("t4", amount=-9)]))
    # Then each has its own fate
    rows = await feed(pool)
    assert {name: row["amount"] for name, row in rows.items()} == {"t1": -1, "t2": -450, "t4": -9}
    counts = await receipt(pool, message)
    assert (counts.added, counts.modified, counts.unchanged, counts.removed) == (0, 1, 1, 1)
    assert await pool.fetchval("SELECT count(*) FROM identity") == 4


async def test_identities_are_looked_up_by_index_even_when_the_plan_was_made_for_few(pool, store):
    await write(store, Ingest([Push("t1")]))
    await pool.execute("ANALYZE identity")
    sql = load_queries("pipeline.store", "store")["find_identities"]
    plan = [row[0] for row in await pool.fetch(f"EXPLAIN (COSTS OFF) {sql}", "{1,2,3}")]
    assert "identity_digest" in "\n".join(plan)


async def test_identities_of_an_older_database_are_found(older_url, monkeypatch):
    # Given a database whose identities have no digests yet
    ann, t1 = (
        UUID(bytes=user("ann")),
        UUID(bytes=make_transaction_ids([account("checking")], ["t1"])),
    )
    older = [m for m in load_migrations() if m.name < "0005"]
    with monkeypatch.context() as patched:
        patched.setattr("pipeline.database.migrate.load_migrations", lambda: older)
        await migrate_database(older_url)
    async with asyncpg.create_pool(older_url, min_size=1, max_size=1) as pool:
        await pool.execute(
            "INSERT INTO identity (booked_on, user_id, id) VALUES ('2026-03-01', $1, $2)", ann, t1
        )
    # When it is brought to this version
    await migrate_database(older_url)
    # Then they are looked up as new ones are
    async with asyncpg.create_pool(older_url, min_size=1, max_size=1) as pool:
        found = await pool.fetch(
            load_queries("pipeline.store", "store")["find_identities"],
            f"{{{digest_identity(ann, t1)}}}",
        )
    assert [tuple(row) for row in found] == [(t1, ann, date(2026, 3, 1), None)]


async def test_a_posted_row_replaces_the_stored_pending_one(pool, store):
    await write(store, Ingest([Push("p1", pending=True)]))
    await pool.execute(
        "UPDATE transactions SET category = 'TRAVEL_FLIGHTS', source = 'user', locked = true"
    )
    await write(store, Ingest([Push("t1", names_pending="p1")]))
    rows = await feed(pool)
    assert set(rows) == {"t1"}
    assert rows["t1"]["category"] == "TRAVEL_FLIGHTS"
    assert rows["t1"]["reason"] == "pending_posted"


async def test_a_date_without_a_partition_leaves_nothing_behind(pool, store):
    with pytest.raises(NoPartition):
        await write(store, Ingest([Push("t1"), Push("t2", day=date(1970, 1, 1))]))
    for table in ("transactions", "identity", "ledger", "receipts"):
        assert await pool.fetchval(f"SELECT count(*) FROM {table}") == 0, table  # noqa: S608


async def test_the_same_file_shuffled_three_times_changes_nothing(pool, store):
    pushes = [Push(f"t{i}", day=date(2026, 1, 1) + timedelta(days=i % 90)) for i in range(500)]
    await write(store, Ingest(pushes))
    before = await pool.fetch("SELECT * FROM transactions ORDER BY id")
    for seed in range(3):
        shuffled = random.Random(seed).sample(pushes, len(pushes))
        message, _ = await write(store, Ingest(shuffled))
        assert (await receipt(pool, message)).unchanged == 500
    assert await pool.fetch("SELECT * FROM transactions ORDER BY id") == before


async def test_many_writers_of_the_same_users_leave_gap_free_positions(pool, store):
    # Given 40 chunks that touch the same users' rows, some of them over and over
    names = ["ann", "bob", *(f"u{i}" for i in range(6))]
    await add_users(pool, *names[2:])
    draw = random.Random(1)
    messages = [
        chunk(
            Ingest(
                [
                    Push(f"t{draw.randrange(300)}", f"{draw.choice(names)}.x", draw.randrange(5))
                    for _ in range(60)
                ]
            )
        )
        for _ in range(40)
    ]
    # When six connections write them at once, each chunk twice
    waiting = asyncio.Queue()
    for message in [*messages, *messages]:
        waiting.put_nowait(message)

    async def writer():
        while not waiting.empty():
            message = waiting.get_nowait()
            await store.store_chunk(message, scored(message))

    await asyncio.gather(*(writer() for _ in range(6)))
    # Then no position of a user is taken twice, the last one is the feed's, no row is doubled
    rows = await pool.fetch("SELECT user_id, position, id FROM transactions")
    feeds = dict(await pool.fetch("SELECT user_id, position FROM feeds"))
    assert max(Counter((r["user_id"], r["position"]) for r in rows).values()) == 1
    assert max(Counter(r["id"] for r in rows).values()) == 1
    tops = {r["user_id"]: 0 for r in rows}
    for row in rows:
        tops[row["user_id"]] = max(tops[row["user_id"]], row["position"])
    assert tops == {u: p for u, p in feeds.items() if p}


async def test_chunks_in_any_order_end_in_the_same_feed(pool, store):
    # Given versions of the same rows in chunks that were accepted one after the other
    messages = [
        chunk(Ingest([Push(f"t{i}", amount=version) for i in range(20)])) for version in range(5)
    ]
    # When they are written in another order
    for message in random.Random(3).sample(messages, len(messages)):
        await store.store_chunk(message, scored(message))
    # Then the version accepted last is in the feed
    assert {row["amount"] for row in (await feed(pool)).values()} == {4}


async def test_a_dead_letter_is_kept_once_and_its_ingest_says_why(pool, store):
    message = chunk(Ingest([Push("t1")]))
    for _ in range(2):
        await DeadLetters(pool).keep_dead_letter(b"body", message, "NoPartition")
    failed = await receipt(pool, message)
    assert (failed.status, failed.reason) == ("failed", "NoPartition")
    assert await pool.fetchval("SELECT count(*) FROM dead_letters") == 1
    # and when it is replayed with success, the receipt says that
    await store.store_chunk(message, scored(message))
    assert (await receipt(pool, message)).status == "stored"


async def test_an_unknown_ingest_is_queued(pool, store):
    ticket = Ticket(tick(), 2, 10, 0)
    assert (await read_receipt(ReadSource(pool), ticket)).status == "queued"


async def test_old_ledger_rows_are_forgotten_and_a_late_replay_still_changes_nothing(pool, store):
    message, _ = await write(store, Ingest([Push("t1")]))
    await delete_old_receipts(pool, datetime(2030, 1, 1, tzinfo=UTC))
    assert await pool.fetchval("SELECT count(*) FROM ledger") == 0
    await store.store_chunk(message, scored(message))
    assert await pool.fetchval("SELECT position FROM feeds WHERE position > 0") == 1


async def test_rows_of_an_erased_user_are_discarded(pool, store):
    message, positions = await write(store, Ingest([Push("t1"), Push("x", "zoe.card")]))
    told = await receipt(pool, message)
    assert (told.added, told.discarded) == (1, 1)
    assert set(positions) == {user("ann")}


async def test_optional_columns_come_back_as_they_were(pool, store):
    bare = chunk(Ingest([Push("t1"), Push("t2")]))
    optional = {
        "mcc": (5814).to_bytes(2, "little") + bytes(2),
        "merchant_name": ["Bottle é", None],
        "metadata": [None, '{"a": 1}'],
    }
    message = msgspec.structs.replace(bare, columns=bare.columns | optional)
    await store.store_chunk(message, scored(message))
    rows = await feed(pool)
    assert (rows["t1"]["mcc"], rows["t2"]["mcc"]) == (5814, None)
    assert (rows["t1"]["merchant_name"], rows["t2"]["merchant_name"]) == ("Bottle é", None)
    assert rows["t2"]["metadata"] == '{"a": 1}'
    # and the same again is unchanged
    again = msgspec.structs.replace(message, chunk_id=tick(), parts=[Part(tick(), 0, 2, 0)])
    await store.store_chunk(again, scored(again))
    assert max(r["position"] for r in (await feed(pool)).values()) == 2


@pytest.mark.parametrize(
    ("table", "columns"), [("transactions", TRANSACTION_COLUMNS), ("identity", IDENTITY_COLUMNS)]
)
async def test_the_columns_are_those_of_the_migrated_table(pool, table, columns):
    described = await pool.fetch(
        "SELECT attname, format_type(atttypid, NULL), NOT attnotnull FROM pg_attribute "
        "WHERE attrelid = $1::text::regclass AND attnum > 0 AND NOT attisdropped",
        table,
    )
    names = {"timestamp with time zone": "timestamptz"}
    assert {(name, names.get(kind, kind), null) for name, kind, null in described} == {
        (column.name, column.kind.name, column.nullable) for column in columns
    }
