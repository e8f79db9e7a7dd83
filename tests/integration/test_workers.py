"""Worker processes and the burial of dead letters, with real servers."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from uuid import UUID, uuid4

import asyncpg
import pika
import pytest

from pipeline.database.pool import open_pool
from pipeline.errors import StoreUnavailable
from pipeline.queue.topology import REASON, Queues
from pipeline.settings import Settings
from pipeline.store.dead_letters import DeadLetters
from pipeline.transactions.chunk import Chunk
from pipeline.transactions.envelope import encode_envelope
from tests.support.children import running
from tests.support.chunks import chunk, register
from workers.jobs.dead_letters import store_dead_letters
from workers.preparation import prepare_system


@pytest.fixture
async def system(settings: Settings) -> Settings:
    """A system of its own queues on the migrated database of this run."""
    ours = replace(settings, queue_prefix=f"{settings.queue_prefix}-{uuid4().hex[:6]}")
    await prepare_system(ours)
    yield ours
    _delete(ours)


@pytest.fixture
async def pool(system: Settings) -> AsyncIterator[asyncpg.Pool]:
    async with await open_pool(system.database_url, size=2, name="test", timeout=5) as opened:
        yield opened


def _delete(settings: Settings) -> None:
    with _channel(settings) as channel:
        for name in Queues(settings.queue_prefix).all:
            channel.queue_delete(name)


@contextmanager
def _channel(settings: Settings) -> Iterator[pika.adapters.blocking_connection.BlockingChannel]:
    connection = pika.BlockingConnection(pika.URLParameters(settings.broker_url))
    yield connection.channel()
    connection.close()


def _publish(settings: Settings, queue: str, *bodies: bytes, reason: str | None = None) -> None:
    headers = {REASON: reason} if reason else {}
    with _channel(settings) as channel:
        for body in bodies:
            channel.basic_publish("", queue, body, pika.BasicProperties(headers=headers))


def _ingest(settings: Settings, *chunks: Chunk) -> None:
    queue = Queues(settings.queue_prefix).ingest
    _publish(settings, queue, *(encode_envelope(c, queue, 0) for c in chunks))


def _waiting(settings: Settings, queue: str) -> int:
    with _channel(settings) as channel:
        return channel.queue_declare(queue, passive=True).method.message_count


async def _until(condition: Callable[[], Awaitable[object]], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 - the condition is in other processes
            await asyncio.sleep(0.05)


@contextmanager
def _worker(settings: Settings) -> Iterator[subprocess.Popen[str]]:
    """A worker process that serves the scorer of the tests."""
    command = [sys.executable, "-m", "tests.support.doubles"]
    with running(
        command, env=settings.to_environment(), stderr=subprocess.PIPE, text=True
    ) as process:
        yield process


def _run(settings: Settings) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "workers"],
        env=settings.to_environment(),
        capture_output=True,
        text=True,
        timeout=300,  # the first process of a checkout compiles the kernels
        check=False,
    )


async def test_a_chunk_of_the_queue_is_in_the_feed(system: Settings, pool: asyncpg.Pool) -> None:
    # Given a user
    sent = chunk(20)
    await register(pool, sent)
    # When a worker finds a chunk in the queue
    _ingest(system, sent)
    with _worker(system):
        await _until(lambda: _count(pool, sent))
    # Then its rows are in the feed of the user, one position each
    positions = await pool.fetch(
        "SELECT position FROM transactions WHERE user_id = $1 ORDER BY 1",
        UUID(bytes=sent.users[0]),
    )
    assert [row["position"] for row in positions] == list(range(1, 21))


async def test_a_worker_that_is_told_to_stop_finishes_what_it_holds(
    system: Settings, pool: asyncpg.Pool
) -> None:
    # Given a worker in the middle of many chunks
    users = [uuid4().bytes for _ in range(4)]
    chunks = [chunk(ids=[f"{n}-{i}" for i in range(500)], users=users) for n in range(20)]
    await register(pool, chunks[0])
    _ingest(system, *chunks)
    with _worker(system) as process:
        await _until(lambda: _count(pool, chunks[0]))
        # When it is told to stop
        process.send_signal(signal.SIGTERM)
        # Then it ends with status 0
        assert await asyncio.to_thread(process.wait, 30) == 0
    written = await pool.fetchval(
        "SELECT count(DISTINCT split_part(transaction_id, '-', 1)) FROM transactions "
        "WHERE user_id = $1",
        UUID(bytes=users[0]),
    )
    # And every chunk is either whole in the feed or still in the queue
    await _until(_asynchronously(lambda: _left(system) == 20 - written))


async def test_a_store_that_is_away_costs_a_retry_and_no_letter(
    system: Settings, pool: asyncpg.Pool
) -> None:
    # Given a user whose feed is locked for longer than a write may wait
    sent = chunk(5)
    await register(pool, sent)
    impatient = replace(system, write_seconds=0.5)
    queues = Queues(system.queue_prefix)
    with _worker(impatient):
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute(
                "SELECT 1 FROM feeds WHERE user_id = $1 FOR UPDATE", UUID(bytes=sent.users[0])
            )
            # When a chunk of that user comes
            _ingest(system, sent)
            await _until(_asynchronously(lambda: _waiting(system, queues.retries[0])))
        # Then it is written once the lock is gone
        await _until(lambda: _count(pool, sent))
    assert (
        await pool.fetchval(
            "SELECT count(*) FROM dead_letters WHERE chunk_id = $1", UUID(bytes=sent.chunk_id)
        )
        == 0
    )


async def test_a_date_outside_the_managed_months_ends_as_a_failed_ingest(
    system: Settings, pool: asyncpg.Pool
) -> None:
    # Given a chunk with a date that the door should have refused
    sent = chunk(1, booked_on=(-40_000).to_bytes(4, "little", signed=True))
    await register(pool, sent)
    # When a worker meets it
    _ingest(system, sent)
    with _worker(system):
        await _until(lambda: _failure(pool, sent))
    # Then the ingest says why
    assert await _failure(pool, sent) == "NoPartition: a date outside the managed months"


@pytest.mark.parametrize(
    "broken",
    [
        {"database_url": "postgresql://nobody@127.0.0.1:1/none"},
        {"broker_url": "amqp://guest:guest@127.0.0.1:1/"},
        {"database_url": ""},
        {"model_folder": "no/such/model"},
    ],
)
def test_a_worker_that_cannot_start_ends_with_one_line(
    system: Settings, broken: dict[str, str]
) -> None:
    ended = _run(replace(system, **broken))
    assert ended.returncode == 1
    (line,) = ended.stderr.strip().splitlines()
    assert line.startswith("worker cannot start: ")


def test_a_worker_does_not_start_on_a_database_that_is_not_migrated(
    system: Settings, make_database: Callable[[], str]
) -> None:
    ended = _run(replace(system, database_url=make_database()))
    assert ended.returncode == 1
    assert "run `spendline migrate`" in ended.stderr


async def test_a_letter_is_kept_with_its_reason_and_fails_its_ingests(
    system: Settings, pool: asyncpg.Pool
) -> None:
    # Given a dead letter
    queues = Queues(system.queue_prefix)
    sent = chunk(3)
    body = encode_envelope(sent, queues.ingest, 0)
    _publish(system, queues.dead, body, reason="NoPartition: because")
    # When it is buried
    async with _burying(system, DeadLetters(pool)):
        await _until(lambda: _failure(pool, sent))
    # Then it is kept whole, and gone from the queue
    letter = await pool.fetchrow(
        "SELECT reason, rows, body FROM dead_letters WHERE chunk_id = $1", UUID(bytes=sent.chunk_id)
    )
    assert tuple(letter) == ("NoPartition: because", 3, body)
    await _until(_asynchronously(lambda: _waiting(system, queues.dead) == 0))


async def test_a_letter_that_cannot_be_read_is_kept_too(
    system: Settings, pool: asyncpg.Pool
) -> None:
    body = uuid4().bytes
    _publish(system, Queues(system.queue_prefix).dead, body)
    async with _burying(system, DeadLetters(pool)):
        await _until(
            lambda: pool.fetchval(
                "SELECT reason LIKE 'InvalidMessage: %' FROM dead_letters WHERE body = $1", body
            )
        )


async def test_a_letter_waits_while_the_store_is_away(system: Settings, pool: asyncpg.Pool) -> None:
    # Given a store that is away at first
    class Unsteady(DeadLetters):
        tries = 0

        async def keep_dead_letter(self, body: bytes, chunk: Chunk | None, reason: str) -> None:
            self.tries += 1
            if self.tries == 1:
                raise StoreUnavailable("away")
            await super().keep_dead_letter(body, chunk, reason)

    queues = Queues(system.queue_prefix)
    sent = chunk(1)
    _publish(system, queues.dead, encode_envelope(sent, queues.ingest, 0))
    # When the undertaker comes twice
    async with _burying(system, Unsteady(pool)):
        # Then the letter is buried
        await _until(lambda: _failure(pool, sent))


class _burying:  # noqa: N801 - reads as a verb
    """The undertaker at work for the length of the block."""

    def __init__(self, settings: Settings, letters: DeadLetters) -> None:
        self._work = store_dead_letters(settings.broker_url, Queues(settings.queue_prefix), letters)

    async def __aenter__(self) -> None:
        self._task = asyncio.create_task(self._work)

    async def __aexit__(self, *_: object) -> None:
        while not self._task.done():  # a library on its way may swallow a cancellation
            self._task.cancel()
            await asyncio.wait([self._task], timeout=1)


async def _count(pool: asyncpg.Pool, sent: Chunk) -> int:
    return await pool.fetchval(
        "SELECT count(*) FROM transactions WHERE user_id = ANY($1)",
        [UUID(bytes=user) for user in sent.users],
    )


async def _failure(pool: asyncpg.Pool, sent: Chunk) -> str | None:
    return await pool.fetchval(
        "SELECT reason FROM failures WHERE ingest_id = $1", UUID(bytes=sent.parts[0].ingest_id)
    )


def _left(settings: Settings) -> int:
    queues = Queues(settings.queue_prefix)
    return _waiting(settings, queues.ingest) + _waiting(settings, queues.suspects)


def _asynchronously(condition: Callable[[], object]) -> Callable[[], Awaitable[object]]:
    async def ask() -> object:
        return await asyncio.to_thread(condition)

    return ask
