"""The publisher against a real broker, over a link that fails."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from typing import Any
from uuid import uuid4

import aio_pika
import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from pipeline.database.clock import Clock
from pipeline.errors import BrokerUnavailable, MessageTooLarge
from pipeline.queue.publisher import Publisher
from pipeline.transactions.envelope import MAX_BYTES, Envelope, decode_envelope
from tests.support.chunks import chunk
from tests.support.link import Link

CONFIRM_SECONDS = 1.0


@pytest.fixture
def channel(broker_url: str) -> Iterator[BlockingChannel]:
    with closing(pika.BlockingConnection(pika.URLParameters(broker_url))) as connection:
        yield connection.channel()


@pytest.fixture
def queue(channel: BlockingChannel) -> Iterator[str]:
    name = f"test-{uuid4().hex[:8]}"
    arguments = {"x-queue-type": "quorum", "x-max-length": 50, "x-overflow": "reject-publish"}
    channel.queue_declare(name, durable=True, arguments=arguments)
    yield name
    channel.queue_delete(name)


@pytest.fixture
async def link(broker_url: str) -> AsyncIterator[Link]:
    async with Link(broker_url).listening() as listening:
        yield listening


@pytest.fixture
async def publisher(link: Link, queue: str) -> AsyncIterator[Publisher]:
    made = Publisher(link.url, queue, Clock(), CONFIRM_SECONDS)
    await made.start()
    yield made
    await made.stop()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(0.01)


def arrived(channel: BlockingChannel, queue: str) -> list[Envelope]:
    found = []
    while True:
        frame, _, body = channel.basic_get(queue, auto_ack=True)
        if frame is None:
            return found
        found.append(decode_envelope(body))


async def test_a_confirmed_chunk_is_in_the_queue(
    publisher: Publisher, channel: BlockingChannel, queue: str
) -> None:
    assert publisher.trouble is None
    sent = [chunk(), chunk()]
    await asyncio.gather(*map(publisher.publish, sent))
    envelopes = arrived(channel, queue)
    assert {e.args[0].chunk_id for e in envelopes} == {c.chunk_id for c in sent}
    assert {e.queue_name for e in envelopes} == {queue}


async def test_a_message_that_a_broker_need_not_take_is_not_sent(
    publisher: Publisher, channel: BlockingChannel, queue: str
) -> None:
    large = chunk(description=["x" * MAX_BYTES])
    with pytest.raises(MessageTooLarge, match="at most"):
        await publisher.publish(large)
    assert arrived(channel, queue) == []


async def test_without_its_queue_it_is_not_ready_and_recovers_with_it(
    broker_url: str, channel: BlockingChannel
) -> None:
    name = f"test-{uuid4().hex[:8]}"
    publisher = Publisher(broker_url, name, Clock(), CONFIRM_SECONDS)
    await publisher.start()
    try:
        assert publisher.trouble is not None
        with pytest.raises(BrokerUnavailable):
            await publisher.publish(chunk())
        channel.queue_declare(name, durable=True)
        await until(lambda: publisher.trouble is None)
        await publisher.publish(chunk())
        channel.queue_delete(name)
        with pytest.raises(BrokerUnavailable, match="no queue"):
            await publisher.publish(chunk())
    finally:
        await publisher.stop()


async def test_a_full_queue_refuses(publisher: Publisher) -> None:
    results = await asyncio.gather(
        *(publisher.publish(chunk()) for _ in range(200)), return_exceptions=True
    )
    assert any(isinstance(result, BrokerUnavailable) for result in results)
    assert {type(result) for result in results} <= {type(None), BrokerUnavailable}


async def test_a_cut_link_is_an_error_at_once_and_comes_back_by_itself(
    publisher: Publisher, link: Link, channel: BlockingChannel, queue: str
) -> None:
    # Given
    link.freeze()
    on_its_way = asyncio.create_task(publisher.publish(chunk()))
    await asyncio.sleep(0)
    # When
    link.cut()
    link.thaw()
    # Then
    with pytest.raises(BrokerUnavailable):
        await on_its_way
    await until(lambda: publisher.trouble is None)
    sent = chunk()
    await publisher.publish(sent)
    assert sent.chunk_id in {e.args[0].chunk_id for e in arrived(channel, queue)}


async def test_a_frozen_broker_is_an_error_within_the_deadline(
    publisher: Publisher, link: Link
) -> None:
    # Given
    link.freeze()
    began = time.monotonic()
    # When
    with pytest.raises(BrokerUnavailable):
        await publisher.publish(chunk())
    # Then
    assert time.monotonic() - began < CONFIRM_SECONDS + 1
    assert publisher.trouble is not None
    with pytest.raises(BrokerUnavailable):
        await publisher.publish(chunk())
    link.thaw()
    await until(lambda: publisher.trouble is None)
    await publisher.publish(chunk())


async def test_a_caller_that_is_cancelled_is_cancelled(publisher: Publisher, link: Link) -> None:
    link.freeze()
    task = asyncio.create_task(publisher.publish(chunk()))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_alarm_shows_before_anybody_publishes(publisher: Publisher, link: Link) -> None:
    """A broker in an alarm reads nothing from a connection that has published."""
    link.freeze()
    await until(lambda: publisher.trouble is not None)
    link.thaw()
    await until(lambda: publisher.trouble is None)


@pytest.mark.parametrize("error", [asyncio.CancelledError(), RuntimeError("unable to perform")])
async def test_whatever_ends_a_connection_another_one_is_made(
    link: Link, queue: str, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    # Given connections that die while they are made, which cancels the waits on them
    connect, deaths = aio_pika.connect, [error, error]

    async def dying(*given: Any, **named: Any) -> Any:
        if deaths:
            raise deaths.pop()
        return await connect(*given, **named)

    monkeypatch.setattr(aio_pika, "connect", dying)
    publisher = Publisher(link.url, queue, Clock(), CONFIRM_SECONDS)
    # When it is started, then it publishes in the end
    await publisher.start()
    await until(lambda: publisher.trouble is None)
    await publisher.publish(chunk())
    await publisher.stop()
