"""Which rows of a replica may be shown, and what a failing replica costs."""

from __future__ import annotations

import asyncio
from unittest.mock import Mock

import asyncpg
import pytest

from pipeline.reads.replicas import ReplicaPool, Replicas, judge_rows


class Pool:
    """Stands for the connections to a replica, and returns a fixed answer."""

    def __init__(self, answer=(), gate=None):
        self.answer = answer
        self.gate = gate
        self.asked = 0
        self.terminate = Mock()

    async def fetch(self, *_):
        self.asked += 1
        if self.gate is not None:
            await self.gate.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def replica(pool=None, seconds=5.0):
    replica = ReplicaPool("replica 1", "postgresql://nowhere", size=1, seconds=seconds, rest=5)
    replica._pool = pool
    return replica


def at(position):
    return [{"feed_position": position, "id": None}]


@pytest.mark.parametrize(
    ("rows", "verdict"),
    [
        (at(5), "replica"),
        (at(4), "behind"),
        ([], "behind"),  # the feed is new or erased, and the primary knows which
        (at(6), "ahead"),
        (None, "away"),
    ],
)
def test_only_a_feed_at_the_position_that_readers_know_is_shown(rows, verdict):
    assert judge_rows(rows, 5) == verdict


async def test_a_resting_replica_is_not_asked():
    well = Pool(at(5))
    replicas = Replicas([replica(), replica(well), replica()])
    assert [await replicas.fetch_rows("", 5, ()) for _ in range(5)] == [at(5)] * 5
    assert well.asked == 5


async def test_readers_are_spread_over_the_replicas():
    pools = Pool(at(5)), Pool(at(5))
    replicas = Replicas([replica(pool) for pool in pools])
    for _ in range(100):
        await replicas.fetch_rows("", 5, ())
    assert min(pool.asked for pool in pools) > 20


async def test_without_a_usable_replica_the_primary_is_asked():
    assert await Replicas([replica()]).fetch_rows("", 5, ()) is None
    assert await Replicas([]).fetch_rows("", 5, ()) is None


@pytest.mark.parametrize(
    "error",
    [
        ConnectionResetError(),
        asyncpg.ConnectionDoesNotExistError(),
        asyncpg.QueryCanceledError(),
        asyncpg.SerializationError(),  # a conflict with the replay
        asyncpg.UndefinedTableError(),  # a migration that is not replayed yet
        asyncpg.InsufficientPrivilegeError(),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_a_replica_that_fails_rests(error):
    broken = replica(pool := Pool(error))
    assert await broken.fetch_rows("", ()) is None
    assert not broken.is_usable
    pool.terminate.assert_called_once_with()


async def test_a_value_that_the_primary_would_refuse_too_rests_no_replica():
    healthy = replica(Pool(asyncpg.CharacterNotInRepertoireError()))
    with pytest.raises(asyncpg.DataError):
        await healthy.fetch_rows("", ())
    assert healthy.is_usable


async def test_a_frozen_replica_is_given_up_once_for_all_readers():
    frozen = replica(pool := Pool(gate=asyncio.Event()), seconds=0.05)
    assert await asyncio.gather(*(frozen.fetch_rows("", ()) for _ in range(20))) == [None] * 20
    assert not frozen.is_usable
    pool.terminate.assert_called_once_with()
