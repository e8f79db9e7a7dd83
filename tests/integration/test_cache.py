"""The cache and the event against Redis: never a lie, never in the way."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import pytest

from pipeline.cache.answers import AnswerCache
from pipeline.cache.connection import open_redis
from pipeline.cache.events import Events, Waiters
from pipeline.cache.positions import PositionCache
from pipeline.transactions.chunk import Part


class Question:
    """Stands for the SQL behind an answer; counts how often it is asked."""

    def __init__(self, position: int = 1) -> None:
        self.position = position
        self.asked = 0
        self.began = asyncio.Event()
        self.go = asyncio.Event()
        self.go.set()

    async def load(self, _: UUID) -> int | None:
        self.asked += 1
        return self.position

    async def compute(self) -> tuple[int, bytes]:
        self.asked += 1
        self.began.set()
        await self.go.wait()
        return self.position, b"answer at %d" % self.position


@pytest.fixture
def prefix():
    return f"test-{uuid4().hex[:8]}"


@pytest.fixture
async def redis(servers, prefix):
    client = open_redis(servers.redis)
    yield client
    keys = [key async for key in client.scan_iter(f"{prefix}*")]
    if keys:
        await client.delete(*keys)
    await client.aclose()


@pytest.fixture
def positions(redis, prefix):
    return PositionCache(redis, prefix, 60)


@pytest.fixture
def answers(redis, prefix, positions):
    return AnswerCache(redis, prefix, 60, positions)


@pytest.fixture
async def absent_redis():
    """A client of a Redis that does not answer."""
    client = open_redis("redis://127.0.0.1:1/0")
    yield client
    await client.aclose()


async def test_an_answer_is_computed_once_per_position(answers):
    # Given an answer that was computed at position 1
    ann, question = uuid4(), Question()
    await answers.read_answer(ann, 1, "q", question.compute)
    # When it is asked for again at 1, and then at 2 after the feed has grown
    assert await answers.read_answer(ann, 1, "q", question.compute) == (1, b"answer at 1")
    assert question.asked == 1
    question.position = 2
    assert await answers.read_answer(ann, 2, "q", question.compute) == (2, b"answer at 2")
    assert (answers.hits, answers.misses) == (1, 2)


async def test_an_answer_is_kept_under_the_position_of_its_snapshot(answers, positions):
    # Given a commit between the reader's look at the position and its SQL
    ann, question = uuid4(), Question(position=5)
    assert await answers.read_answer(ann, 4, "q", question.compute) == (5, b"answer at 5")
    # Then the newer answer is known under the newer position, which readers now see
    assert await positions.read_position(ann, Question().load) == 5
    assert await answers.read_answer(ann, 5, "q", question.compute) == (5, b"answer at 5")
    assert question.asked == 1


async def test_a_newer_answer_takes_the_place_of_the_older_and_they_are_bounded(
    answers, positions, redis, prefix
):
    ann = uuid4()
    # When one question is asked at two positions
    for position in (1, 2):
        await answers.read_answer(ann, position, "q", Question(position).compute)
    # Then one answer is kept, for a day, and the older position does not get it
    (key,) = [key async for key in redis.scan_iter(f"{prefix}:answers:*")]
    assert await redis.hlen(key) == 1
    assert 86_000 < await redis.ttl(key) <= 86_400
    assert await answers.read_answer(ann, 1, "q", Question(1).compute) == (1, b"answer at 1")
    # And many questions never make more than a bounded number of answers
    for number in range(100):
        await answers.read_answer(ann, 2, f"q{number}", Question(2).compute)
    assert await redis.hlen(key) <= 32


async def test_nothing_is_kept_of_an_erased_user(answers, positions, redis, prefix):
    ann, bob = uuid4(), uuid4()
    for user in (ann, bob):
        await answers.read_answer(user, 1, "q", Question().compute)
        await positions.advance_positions({user.bytes: 1})
    await answers.forget_user(ann)
    left = [key.decode() async for key in redis.scan_iter(f"{prefix}:*")]
    assert sorted(left) == [f"{prefix}:answers:{bob.hex}", f"{prefix}:position:{bob.hex}"]


async def test_many_readers_of_one_answer_ask_once(answers):
    question = Question()
    question.go.clear()
    ann = uuid4()
    readers = [
        asyncio.create_task(answers.read_answer(ann, 1, "q", question.compute)) for _ in range(200)
    ]
    await question.began.wait()
    question.go.set()
    assert set(await asyncio.gather(*readers)) == {(1, b"answer at 1")}
    assert question.asked == 1


async def test_a_failed_question_is_told_to_its_readers_and_asked_anew(answers):
    async def fail() -> tuple[int, bytes]:
        raise LookupError

    ann = uuid4()
    with pytest.raises(LookupError):
        await answers.read_answer(ann, 1, "q", fail)
    assert await answers.read_answer(ann, 1, "q", Question().compute) == (1, b"answer at 1")


async def test_a_position_never_goes_back(positions):
    ann = uuid4()
    for position in (3, 5, 4):
        await positions.advance_positions({ann.bytes: position})
    assert await positions.read_position(ann, Question().load) == 5


async def test_a_position_expires_so_that_a_lost_event_is_bounded(redis, prefix):
    ann = uuid4()
    await PositionCache(redis, prefix, 60).advance_positions({ann.bytes: 3})
    assert 0 < await redis.ttl(f"{prefix}:position:{ann.hex}") <= 60


async def test_a_position_from_the_past_raises_what_is_known_and_nothing_else(
    positions, redis, prefix
):
    # Given a feed whose position will soon be forgotten, and one of which nothing is known
    ann, bob = uuid4(), uuid4()
    await positions.advance_positions({ann.bytes: 3})
    await redis.expire(f"{prefix}:position:{ann.hex}", 20)
    # When older receipts name both
    await positions.advance_positions({ann.bytes: 5, bob.bytes: 5}, current=False)
    # Then the one is raised and forgotten as soon as before, and the other is loaded
    assert await positions.read_position(ann, Question().load) == 5
    assert await redis.ttl(f"{prefix}:position:{ann.hex}") <= 20
    assert await positions.read_position(bob, Question(position=9).load) == 9


async def test_an_answer_at_the_position_that_was_told_does_not_prolong_it(
    answers, positions, redis, prefix
):
    ann = uuid4()
    await positions.advance_positions({ann.bytes: 3})
    await redis.expire(f"{prefix}:position:{ann.hex}", 20)
    await answers.read_answer(ann, 3, "q", Question(position=3).compute)
    assert await redis.ttl(f"{prefix}:position:{ann.hex}") <= 20


async def test_an_unknown_position_is_loaded_once(positions):
    ann, question = uuid4(), Question(position=9)
    assert [await positions.read_position(ann, question.load) for _ in range(3)] == [9, 9, 9]
    assert question.asked == 1


async def test_without_redis_every_reader_gets_its_answer_from_sql(absent_redis, prefix):
    # Given caches whose Redis is away
    positions = PositionCache(absent_redis, prefix, 60)
    answers = AnswerCache(absent_redis, prefix, 60, positions)
    ann, question = uuid4(), Question(position=2)
    # Then a position and an answer come from SQL, and a new position is not taken
    assert await positions.read_position(ann, question.load) == 2
    assert await answers.read_answer(ann, 2, "q", question.compute) == (2, b"answer at 2")
    assert not await positions.advance_positions({ann.bytes: 3})


@pytest.fixture
async def waiters(servers, prefix):
    client = open_redis(servers.redis)
    waiters = Waiters(client, prefix)
    listening = asyncio.create_task(waiters.listen(lambda *_: None))
    while not (await client.pubsub_numsub(f"{prefix}:stored"))[0][1]:  # noqa: ASYNC110 - Redis's state
        await asyncio.sleep(0.01)
    yield waiters
    listening.cancel()
    await client.aclose()


async def test_events_wake_those_who_wait_when_all_parts_are_named(
    redis, prefix, positions, waiters
):
    # Given a reader who waits for one ingest of two parts
    ann, ingest, events = uuid4(), uuid4().bytes, Events(redis, prefix, positions)
    with waiters.collect_parts(ingest) as heard:
        waiting = asyncio.create_task(heard.wait_for_more(0, {0, 1}, 20))
        # When events name the parts among others
        for number in (0, 1):
            assert not waiting.done()
            parts = [Part(uuid4().bytes, 1, 5, 0), Part(ingest, number, 5, 0)]
            assert await events.publish_event({ann.bytes: 7 + number}, parts)
        # Then the reader goes on at once and finds the new position
        await asyncio.wait_for(waiting, 10)
    assert heard.parts == {0, 1}
    assert await positions.read_position(ann, Question().load) == 8


async def test_a_wait_is_bounded_and_leaves_nothing_behind(waiters):
    with waiters.collect_parts(uuid4().bytes) as heard:
        await heard.wait_for_more(0, {0}, 0.01)
    assert heard.parts == set()
    assert waiters._heard == {}


async def test_what_was_heard_before_wakes_only_those_who_did_not_know_it(waiters):
    # Given a part that was named
    with waiters.collect_parts(uuid4().bytes) as heard:
        heard.add_part(0)
        # Then who had not counted it goes on at once, and who had waits for more
        await asyncio.wait_for(heard.wait_for_more(0, {0}, 20), 10)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(heard.wait_for_more(1, set(), 20), 0.01)
