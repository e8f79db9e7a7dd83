"""Read replicas: which of them may answer a read in place of the primary, and when.

A replica answers when the feed stands there exactly where readers were told that it stands: its
rows and their position are of one snapshot, so nothing is asked beforehand. A feed that is behind
would be stale. One that is ahead says that readers were told something old, and for how long that
has been so only the primary knows. A replica that fails in any way rests, and is tried again in
the background: no request waits for that.
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

# Whatever goes wrong, the primary is asked: also where a migration or a grant has not arrived.
_FAILURES: Final = (
    StoreUnavailable,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)


class Replica:
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
    def usable(self) -> bool:
        return self._pool is not None

    async def fetch(self, statement: str, values: Sequence[Any]) -> list[asyncpg.Record] | None:
        """The rows; None when the replica failed, after its `seconds` at the latest."""
        if (pool := self._pool) is None:
            return None
        # A frozen server does not even let a statement be cancelled: it is left to itself.
        asked = asyncio.ensure_future(pool.fetch(statement, *values))
        asked.add_done_callback(_noticed)
        try:
            await asyncio.wait({asked}, timeout=self._seconds)
            if not asked.done():
                raise TimeoutError
            rows: list[asyncpg.Record] = asked.result()
        except asyncpg.DataError:  # the primary would refuse these values too
            raise
        except _FAILURES as error:
            self._give_up(pool, error)
            return None
        finally:
            asked.cancel()
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
        if self.usable:
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
    """All replicas of an API process; there may be none."""

    def __init__(self, replicas: Sequence[Replica]) -> None:
        self._all = list(replicas)
        telemetry.watch_replicas(len(self._all), lambda: len(self._usable()))

    async def fetch(
        self, statement: str, position: int, values: Sequence[Any]
    ) -> list[asyncpg.Record] | None:
        """The rows of a replica where the user's feed stands at `position`; None: ask the primary.

        Every row has that of its snapshot as `feed_position`; no rows: no such feed there.
        """
        if not self._all:
            return None
        usable = self._usable()
        chosen = random.choice(usable) if usable else None  # noqa: S311 - no secret
        rows = await chosen.fetch(statement, values) if chosen else None
        verdict = judged(rows, position)
        telemetry.replica_asked(verdict)
        return rows if verdict == "replica" else None

    def _usable(self) -> list[Replica]:
        return [replica for replica in self._all if replica.usable]


def judged(rows: Sequence[Any] | None, position: int) -> Verdict:
    """Whether these rows may be shown to a reader who was told of `position`; if not, why."""
    if rows is None:
        return "away"
    found = rows[0]["feed_position"] if rows else -1
    if found == position:
        return "replica"
    return "behind" if found < position else "ahead"


def _noticed(asked: asyncio.Future[Any]) -> None:
    """An error that nobody waits for any more is not reported as forgotten."""
    if not asked.cancelled():
        asked.exception()
