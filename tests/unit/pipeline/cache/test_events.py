"""Positions that Redis has missed are sent again."""

from __future__ import annotations

import asyncio

import pytest

from pipeline.cache import events
from pipeline.cache.events import Events

ANN, BOB = b"a" * 16, b"b" * 16


class Unreachable:
    """A position cache and a Redis that can be away."""

    def __init__(self) -> None:
        self.away = True
        self.received: dict[bytes, int] = {}

    async def advance_positions(self, positions):
        if not self.away:
            self.received |= positions
        return not self.away

    async def publish(self, *_):
        return 0


async def test_missed_positions_are_sent_once_redis_is_back(monkeypatch):
    monkeypatch.setattr(events, "_RETRY_SECONDS", 0)
    redis = Unreachable()
    worker_events = Events(redis, "test", redis)
    # Given commits that Redis has missed, of which the last is not the greatest
    for positions in ({ANN: 2}, {ANN: 5, BOB: 1}, {ANN: 4}):
        assert not await worker_events.publish_event(positions, [])
    # When Redis is back
    sending = asyncio.create_task(worker_events.keep_resending())
    redis.away = False
    async with asyncio.timeout(5):
        while not redis.received:  # noqa: ASYNC110
            await asyncio.sleep(0)
    sending.cancel()
    # Then it receives the greatest position of each feed
    assert redis.received == {ANN: 5, BOB: 1}


async def test_the_memory_for_missed_positions_is_bounded(monkeypatch):
    monkeypatch.setattr(events, "_MOST_UNSENT", 1)
    redis = Unreachable()
    worker_events = Events(redis, "test", redis)
    for number in range(10):
        await worker_events.publish_event({bytes([number]) * 16: 1}, [])
    assert len(worker_events._unsent) <= 2


@pytest.mark.parametrize("away", [True, False])
async def test_an_announcement_says_whether_redis_received_it(away):
    redis = Unreachable()
    redis.away = away
    assert await Events(redis, "test", redis).publish_event({ANN: 1}, []) is not away
