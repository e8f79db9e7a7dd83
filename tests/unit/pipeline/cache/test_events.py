"""What Redis did not hear is told again."""

from __future__ import annotations

import asyncio

import pytest

from pipeline.cache import events
from pipeline.cache.events import Events

ANN, BOB = b"a" * 16, b"b" * 16


class Silent:
    """A cache and a Redis that are away until they are not."""

    def __init__(self) -> None:
        self.away = True
        self.heard: dict[bytes, int] = {}

    async def advance_positions(self, positions):
        if not self.away:
            self.heard |= positions
        return not self.away

    async def publish(self, *_):
        return 0


async def test_positions_that_were_not_heard_are_told_once_redis_is_back(monkeypatch):
    monkeypatch.setattr(events, "_AGAIN_SECONDS", 0)
    redis = Silent()
    told = Events(redis, "test", redis)
    # Given commits that Redis did not hear of, the last one not the greatest
    for positions in ({ANN: 2}, {ANN: 5, BOB: 1}, {ANN: 4}):
        assert not await told.announce(positions, [])
    # When it is back
    telling = asyncio.create_task(told.keep_telling())
    redis.away = False
    async with asyncio.timeout(5):
        while not redis.heard:  # noqa: ASYNC110
            await asyncio.sleep(0)
    telling.cancel()
    # Then it hears how far each feed is
    assert redis.heard == {ANN: 5, BOB: 1}


async def test_memory_for_what_was_not_heard_is_bounded(monkeypatch):
    monkeypatch.setattr(events, "_MOST_UNTOLD", 1)
    redis = Silent()
    told = Events(redis, "test", redis)
    for number in range(10):
        await told.announce({bytes([number]) * 16: 1}, [])
    assert len(told._untold) <= 2


@pytest.mark.parametrize("away", [True, False])
async def test_an_announcement_says_whether_it_was_heard(away):
    redis = Silent()
    redis.away = away
    assert await Events(redis, "test", redis).announce({ANN: 1}, []) is not away
