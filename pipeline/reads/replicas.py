"""Read replicas: when one of them may answer a read in place of the primary.

A replica answers when the feed stands there at exactly the position that readers know. Rows and
position come from one snapshot, so no query is needed beforehand. A feed that is behind would be
stale. A feed that is ahead shows that the known position is old, and only the primary knows the
newest one. A replica that fails rests and is tried again in the background, so no request waits.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Sequence
from typing import Any, Final, Literal

import asyncpg

from pipeline.database.pool import open_pool
from pipeline.errors import StoreUnavailable
from pipeline.observe import metrics as telemetry
from pipeline.supervise import keep_running

logger = logging.getLogger(__name__)

Verdict = Literal["replica", "behind", "ahead", "away"]

# The primary answers after any failure, also when a migration or a grant has not been replayed yet.
_FAILURES: Final = (
    StoreUnavailable,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)


class ReplicaPool:
    """Connections to one replica, opened by `keep` and given up at the first failure."""

    def __init__(self, name: str, url: str, *, size: int, seconds: float, rest: float) -> None:
        self._name = name
        self._url = url
        self._size = size
        self._seconds = seconds
        self._rest = rest
        self._pool: asyncpg.Pool | None = None
        self._lost = asyncio.Event()

    @property
    def is_usable(self) -> bool:
        return self._pool is not None

    async def fetch_rows(
        self, statement: str, values: Sequence[Any]
    ) -> list[asyncpg.Record] | None:
        """The rows of the statement; None when the replica fails or takes longer than its seconds."""
        if (pool := self._pool) is None:
            return None
        # A frozen server does not even let a statement be cancelled, so the task is only abandoned.
        task = asyncio.ensure_future(pool.fetch(statement, *values))
        task.add_done_callback(_retrieve_error)
        try:
            await asyncio.wait({task}, timeout=self._seconds)
            if not task.done():
                raise TimeoutError
            rows: list[asyncpg.Record] = task.result()
        except asyncpg.DataError:  # the primary would refuse these values too
            raise
        except _FAILURES as error:
            self._give_up(pool, error)
            return None
        finally:
            task.cancel()
        return rows

    async def keep(self) -> None:
        """Have connections until cancelled; `rest` seconds pass before another try."""
        try:
            await keep_running(self._name, self._serve, every=self._rest)
        finally:
            if self._pool is not None:
                self._pool.terminate()

    async def _serve(self) -> None:
        """Return when a connection was lost, or could not be opened."""
        await self._open()
        if self.is_usable:
            await self._lost.wait()
            self._lost.clear()

    async def _open(self) -> None:
        try:
            self._pool = await open_pool(
                self._url, size=self._size, name="spendline-api", timeout=self._seconds
            )
        except _FAILURES as error:
            logger.warning("%s is away: %s", self._name, type(error.__cause__ or error).__name__)
        else:
            logger.info("%s answers", self._name)

    def _give_up(self, pool: asyncpg.Pool, error: Exception) -> None:
        """Let go of the connections, once, so that whoever else waits for one goes on too."""
        if self._pool != pool:
            return
        self._pool = None
        self._lost.set()
        pool.terminate()
        logger.warning("%s rests: %s", self._name, type(error).__name__)


class Replicas:
    """All replicas of an API process, possibly none."""

    def __init__(self, replicas: Sequence[ReplicaPool]) -> None:
        self._replicas = list(replicas)
        telemetry.watch_replicas(len(self._replicas), lambda: len(self._list_usable()))

    async def fetch_rows(
        self, statement: str, position: int, values: Sequence[Any]
    ) -> list[asyncpg.Record] | None:
        """The rows of a replica where the feed stands at `position`; None when the primary must answer.

        Every row holds the position of its snapshot as `feed_position`; a feed that is missing there
        has no rows.
        """
        if not self._replicas:
            return None
        usable = self._list_usable()
        chosen = random.choice(usable) if usable else None  # noqa: S311 - no secret
        rows = await chosen.fetch_rows(statement, values) if chosen else None
        verdict = judge_rows(rows, position)
        telemetry.count_replica_read(verdict)
        return rows if verdict == "replica" else None

    def _list_usable(self) -> list[ReplicaPool]:
        return [replica for replica in self._replicas if replica.is_usable]


def judge_rows(rows: Sequence[Any] | None, position: int) -> Verdict:
    """Whether a reader who knows `position` may see these rows, and why not otherwise."""
    if rows is None:
        return "away"
    replica_position = rows[0]["feed_position"] if rows else -1
    if replica_position == position:
        return "replica"
    return "behind" if replica_position < position else "ahead"


def _retrieve_error(task: asyncio.Future[Any]) -> None:
    """Mark the error of an abandoned task as retrieved, so that asyncio does not log it."""
    if not task.cancelled():
        task.exception()
