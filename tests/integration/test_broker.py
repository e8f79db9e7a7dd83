"""The hardened broker against a real RabbitMQ: what stock dramatiq would lose or block on."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any
from uuid import uuid4

import dramatiq
import msgspec
import pika
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from pipeline.errors import BrokerUnavailable, NoPartition, QueueMismatch, StoreUnavailable
from pipeline.queue.broker import RabbitBroker
from pipeline.queue.consumer import Delivery, RabbitConsumer
from pipeline.queue.topology import (
    ATTEMPTS,
    LONE_DELIVERIES,
    REASON,
    RETRY_SECONDS,
    SHARED_DELIVERIES,
    Queues,
    declare_queues,
)
from pipeline.settings import QueueBound
from pipeline.transactions.chunk import Chunk
from pipeline.transactions.envelope import ACTOR, encode_envelope
from tests.support.chunks import chunk

LENGTH = 50
BOUND = QueueBound(LENGTH, megabytes=1)


@pytest.fixture
def queues(broker_url: str) -> Iterator[Queues]:
    names = Queues(f"test-{uuid4().hex[:12]}")
    declare_queues(broker_url, names.prefix, BOUND)
    yield names
    with opened(broker_url) as channel:
        for name in names.all:
            channel.queue_delete(name)


@pytest.fixture
def broker(broker_url: str, queues: Queues) -> RabbitBroker:
    return RabbitBroker(broker_url, queues, bound=BOUND, prefetch=2, retry_pause=0.05)


@contextmanager
def opened(url: str) -> Iterator[BlockingChannel]:
    with closing(pika.BlockingConnection(pika.URLParameters(url))) as connection:
        yield connection.channel()


@contextmanager
def working(broker: RabbitBroker, act: Callable[[Chunk], None]) -> Iterator[None]:
    """A worker of two threads whose only actor is `act`."""
    actor(broker, act)
    worker = dramatiq.Worker(broker, worker_threads=2, worker_timeout=50)
    worker.start()
    yield
    broker.stopping.set()
    worker.stop(timeout=10_000)


def actor(broker: RabbitBroker, act: Callable[[Chunk], None]) -> dramatiq.Actor[Any, Any]:
    return dramatiq.Actor(
        act,
        broker=broker,
        actor_name=ACTOR,
        queue_name=broker.names.ingest,
        priority=0,
        options={},
    )


def until(condition: Callable[[], Any], seconds: float = 10) -> Any:
    deadline = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)
    return result


def count(url: str, queue: str) -> int:
    with opened(url) as channel:
        return channel.queue_declare(queue, passive=True).method.message_count


def publish(url: str, queue: str, body: bytes, headers: dict[str, Any] | None = None) -> None:
    with opened(url) as channel:
        channel.confirm_delivery()
        channel.basic_publish("", queue, body, pika.BasicProperties(headers=headers or {}))


def encoded(queues: Queues, rows: int = 3) -> bytes:
    return encode_envelope(chunk(rows), queues.ingest, 0)


def dead_letter(url: str, queues: Queues) -> tuple[dict[str, Any], bytes]:
    def fetch() -> tuple[dict[str, Any], bytes] | None:
        with opened(url) as channel:
            method, properties, body = channel.basic_get(queues.dead, auto_ack=True)
            return (properties.headers or {}, body) if method else None

    return until(fetch)


def take(broker: RabbitBroker, queue: str) -> tuple[RabbitConsumer, Delivery | None]:
    """The next delivery of a queue, and the consumer that holds it."""
    consumer = broker.consume(queue, timeout=300)
    assert isinstance(consumer, RabbitConsumer)
    return consumer, next(consumer)


def die_with_delivery(broker: RabbitBroker, queue: str) -> None:
    """As a killed worker: the delivery is never answered."""

    def died() -> bool:
        consumer, delivery = take(broker, queue)
        consumer.close()
        return delivery is not None

    until(died)


def test_a_processed_chunk_leaves_the_queue(
    broker: RabbitBroker, broker_url: str, queues: Queues
) -> None:
    # Given a worker
    seen: list[Chunk] = []
    with working(broker, seen.append):
        # When a chunk is sent
        sent = chunk()
        actor = broker.get_actor(ACTOR)
        actor.send(sent)
        until(lambda: seen)
    # Then the actor got that chunk, and nothing is left behind
    assert seen == [sent]
    assert [count(broker_url, name) for name in queues.all] == [0] * len(queues.all)


def test_a_transient_failure_waits_for_its_step_and_returns(
    broker: RabbitBroker, broker_url: str, queues: Queues
) -> None:
    # Given a store that is away at the first attempt
    times: list[float] = []

    def act(_: Chunk) -> None:
        times.append(time.monotonic())
        if len(times) == 1:
            raise StoreUnavailable("away")

    # When a chunk comes
    with working(broker, act):
        publish(broker_url, queues.ingest, encoded(queues))
        until(lambda: len(times) == 2)
    # Then it came again after the first step of the ladder, and is done
    assert times[1] - times[0] >= RETRY_SECONDS[0] * 0.9
    assert count(broker_url, queues.ingest) == count(broker_url, queues.dead) == 0


def test_a_transient_failure_never_dies(
    broker: RabbitBroker, broker_url: str, queues: Queues
) -> None:
    # Given a chunk that failed a hundred times
    def act(_: Chunk) -> None:
        raise StoreUnavailable("away")

    # When it fails again for a reason that can pass
    with working(broker, act):
        publish(broker_url, queues.ingest, encoded(queues), {ATTEMPTS: 100})
        until(lambda: count(broker_url, queues.retries[-1]) == 1)
    # Then it waits on the last step
    assert count(broker_url, queues.dead) == 0


def test_a_permanent_failure_is_dead_at_once_with_its_reason(
    broker: RabbitBroker, broker_url: str, queues: Queues
) -> None:
    def act(_: Chunk) -> None:
        raise NoPartition("a date outside the managed months")

    body = encoded(queues)
    with working(broker, act):
        publish(broker_url, queues.ingest, body)
        headers, dead = dead_letter(broker_url, queues)
    assert headers[REASON] == "NoPartition: a date outside the managed months"
    assert dead == body


def test_a_defect_dies_at_the_end_of_the_ladder_without_quoting_its_data(
    broker: RabbitBroker,
    broker_url: str,
    queues: Queues,
    caplog: pytest.LogCaptureFixture,
) -> None:
    # Given an actor with a defect that quotes a description
    caplog.set_level(logging.DEBUG)

    def act(poison: Chunk) -> None:
        raise RuntimeError(poison.chunk_id.hex())

    with working(broker, act):
        # When its last attempt fails
        publish(broker_url, queues.ingest, encoded(queues), {ATTEMPTS: len(RETRY_SECONDS)})
        headers, _ = dead_letter(broker_url, queues)
    # Then the reason is the kind of error alone, and no log shows a description
    assert headers[REASON] == "RuntimeError"
    assert "TESCO" not in caplog.text


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"garbage",
        msgspec.json.encode({"queue_name": "x"}),
        {"options": None},
        {"queue_name": "another"},
        {"actor_name": "unknown"},
        {"kwargs": {"more": 1}},
        {"args": []},
        {"extra": 1},
    ],
)
def test_what_cannot_be_read_is_dead_and_the_next_chunk_is_processed(
    broker: RabbitBroker, broker_url: str, queues: Queues, broken: bytes | dict[str, Any]
) -> None:
    # Given a message that is not ours
    body = broken
    if isinstance(broken, dict):
        body = msgspec.msgpack.encode(msgspec.msgpack.decode(encoded(queues)) | broken)
    seen: list[Chunk] = []
    with working(broker, seen.append):
        # When it comes before a good chunk
        publish(broker_url, queues.ingest, body)
        publish(broker_url, queues.ingest, encoded(queues))
        # Then it is a dead letter, and the good chunk is processed
        assert dead_letter(broker_url, queues)[1] == body
        until(lambda: len(seen) == 1)


def test_an_answer_reaches_only_the_connection_that_delivered(
    broker: RabbitBroker, broker_url: str, queues: Queues
) -> None:
    # Given a chunk whose connection was lost, and another delivery under the same tag
    publish(broker_url, queues.ingest, encoded(queues))
    lost, old = take(broker, queues.ingest)
    lost.close()
    consumer, new = take(broker, queues.ingest)
    assert old is not None
    assert new is not None
    assert old.tag == new.tag
    # When the worker acknowledges what it finished on the lost connection
    old.settled = True
    consumer.ack(old)
    consumer.close()
    # Then the new delivery is untouched, and its second return makes it a suspect
    until(lambda: count(broker_url, queues.suspects) == 1)


def test_what_is_not_settled_returns_to_the_queue(
    broker: RabbitBroker, broker_url: str, queues: Queues
) -> None:
    publish(broker_url, queues.ingest, encoded(queues))
    consumer, delivery = take(broker, queues.ingest)
    assert delivery is not None
    consumer.ack(delivery)
    consumer.close()
    # Delivered once more before the consumer closed, it is a suspect
    until(lambda: count(broker_url, queues.ingest) + count(broker_url, queues.suspects) == 1)


def test_a_retry_without_confirm_holds_the_chunk_until_it_is_safe(
    broker: RabbitBroker,
    broker_url: str,
    queues: Queues,
    caplog: pytest.LogCaptureFixture,
) -> None:
    # Given that the retry queue is gone while the chunk fails
    attempts: list[int] = []

    def act(_: Chunk) -> None:
        with opened(broker_url) as channel:
            channel.queue_delete(queues.retries[0])
        attempts.append(1)
        raise StoreUnavailable("away")

    with working(broker, act):
        publish(broker_url, queues.ingest, encoded(queues))
        until(lambda: "no confirm" in caplog.text)
        # When it is there again
        declare_queues(broker_url, queues.prefix, BOUND)
        # Then the chunk arrives there, after a single attempt
        until(lambda: count(broker_url, queues.retries[0]) == 1)
        assert len(attempts) == 1


def test_a_row_that_ends_its_workers_is_set_apart_and_dies_alone(
    broker: RabbitBroker, broker_url: str, queues: Queues
) -> None:
    # Given a chunk of one row that was in flight when workers died
    publish(broker_url, queues.ingest, encoded(queues, rows=1))
    for _ in range(SHARED_DELIVERIES):
        die_with_delivery(broker, queues.ingest)
    # When it was there too often
    until(lambda: count(broker_url, queues.suspects) == 1)
    # Then it is alone among the suspects, and dies when it was there too often, too
    assert count(broker_url, queues.ingest) == 0
    for _ in range(LONE_DELIVERIES):
        die_with_delivery(broker, queues.suspects)
    headers, _ = dead_letter(broker_url, queues)
    assert headers["x-death"][0]["reason"] == "delivery_limit"
    assert count(broker_url, queues.suspects) == 0


def test_a_suspect_that_ended_a_worker_alone_is_halved(
    broker: RabbitBroker, broker_url: str, queues: Queues
) -> None:
    # Given a suspect whose worker died
    publish(broker_url, queues.suspects, encoded(queues, rows=3))
    die_with_delivery(broker, queues.suspects)
    # When it comes again
    seen: list[int] = []
    with working(broker, lambda half: seen.append(len(half))):
        until(lambda: len(seen) == 2)
    # Then its halves come in its place
    assert sorted(seen) == [1, 2]


def test_an_innocent_suspect_is_processed(
    broker: RabbitBroker, broker_url: str, queues: Queues
) -> None:
    publish(broker_url, queues.ingest, encoded(queues))
    for _ in range(SHARED_DELIVERIES):
        die_with_delivery(broker, queues.ingest)
    seen: list[Chunk] = []
    with working(broker, seen.append):
        until(lambda: seen)
    assert [count(broker_url, name) for name in queues.all] == [0] * len(queues.all)


@pytest.mark.parametrize(
    ("sent", "rows"), [(LENGTH * 3, 3), (LENGTH // 2, 10_000)], ids=["messages", "megabytes"]
)
def test_a_full_queue_refuses(broker: RabbitBroker, sent: int, rows: int) -> None:
    sender = actor(broker, lambda _: None)

    def send_many() -> None:
        for _ in range(sent):
            sender.send(chunk(rows))

    with pytest.raises(BrokerUnavailable, match="Nack"):
        send_many()


@pytest.mark.parametrize("other", [QueueBound(LENGTH + 1, 1), QueueBound(LENGTH, 2)])
def test_a_queue_with_other_arguments_says_what_to_do(
    broker_url: str, queues: Queues, other: QueueBound
) -> None:
    with pytest.raises(QueueMismatch, match="SPENDLINE_QUEUE_LENGTH, SPENDLINE_QUEUE_MEGABYTES"):
        declare_queues(broker_url, queues.prefix, other)


def test_an_absent_broker_is_an_error_of_ours() -> None:
    with pytest.raises(BrokerUnavailable):
        declare_queues("amqp://guest:guest@127.0.0.1:1/", "test", BOUND)


def test_consumers_that_close_send_no_waiting_chunk_to_quarantine(
    broker: RabbitBroker, broker_url: str, queues: Queues
) -> None:
    # Given chunks that are about to be delivered while their consumer closes
    for _ in range(10):
        publish(broker_url, queues.ingest, encoded(queues))
    for _ in range(40):
        publish(broker_url, queues.ingest, encoded(queues))
        consumer = broker.consume(queues.ingest, timeout=200)
        delivery = next(delivery for delivery in consumer if delivery is not None)
        delivery.settled = True
        consumer.ack(delivery)
        # When it closes
        consumer.close()
    # Then all of them wait in their own queue, and none is suspected of having killed a worker
    until(lambda: count(broker_url, queues.ingest) == 10)
    assert count(broker_url, queues.suspects) == 0
