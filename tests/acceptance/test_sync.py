"""A reader that follows the sync cursor while others write never misses a change."""

from __future__ import annotations

import asyncio
from uuid import UUID

import asyncpg

from pipeline.reads.source import ReadSource
from pipeline.reads.sync import SyncCursor, read_sync_page
from tests.acceptance.flow import Flow
from tests.acceptance.workers import start_worker, wait_until_working
from workers.local.supervisor import System

PAGE = 25
CHUNKS = 40
ROWS = 60

# Positions are given out before this trigger runs: a later position could overtake at the commit.
_SLOW_COMMITS = """
CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql
    AS 'BEGIN PERFORM pg_sleep(random() / 20); RETURN NULL; END';
CREATE CONSTRAINT TRIGGER dawdle AFTER INSERT ON ledger DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW EXECUTE FUNCTION dawdle()"""


class Copy:
    """What one reader knows of a feed by the pages of its sync alone."""

    def __init__(self, reads: ReadSource, user: bytes) -> None:
        self._reads = reads
        self._user = UUID(bytes=user)
        self._cursor = SyncCursor()
        self.amounts: dict[UUID, int] = {}
        self.pages = 0

    async def read_page(self) -> None:
        page = await read_sync_page(self._reads, self._user, self._cursor, PAGE)
        assert page is not None
        self.pages += 1
        for row in [*page.added, *page.modified]:
            self.amounts[row["id"]] = row["amount"]
        self._cursor = page.next


async def test_sync_misses_nothing_while_slow_commits_overlap(
    system: System, flow: Flow, pool: asyncpg.Pool
) -> None:
    # Given two workers whose commits take their time, and chunks of the same few users
    await pool.execute(_SLOW_COMMITS)
    flow.users = flow.users[:3]
    start_worker(system, "worker-1")
    start_worker(system, "worker-2")
    wait_until_working(system, "worker-1", "worker-2")
    copies = [Copy(ReadSource(pool), user) for user in flow.users]
    # When readers follow their cursors from the first chunk to the last
    writing = asyncio.create_task(_write(flow))
    while not writing.done():
        for copy in copies:
            await copy.read_page()
    await writing
    assert min(copy.pages for copy in copies) > 10
    for copy in copies:
        await copy.read_page()
    # Then each has exactly what is in the feed
    for copy, user in zip(copies, flow.users, strict=True):
        rows = await pool.fetch(
            "SELECT id, amount FROM transactions WHERE user_id = $1", UUID(bytes=user)
        )
        assert copy.amounts == {row["id"]: row["amount"] for row in rows}


async def _write(flow: Flow) -> None:
    await flow.send(*flow.fresh(CHUNKS, ROWS))
    await flow.drained()
