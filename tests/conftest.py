"""The servers of a test run, and a corner of them that belongs to this run alone."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import asyncpg
import hypothesis
import pika
import pytest
import redis

from pipeline.database.migrate import migrate_database
from pipeline.queue.topology import Queues
from pipeline.settings import Settings
from tests.support.children import children, kill_families
from workers.local.stack import ServerUrls, discover_servers


def pytest_configure() -> None:
    """A test and its children behave alike on every machine, however it is set up and busy."""
    os.environ.pop("PYTHONUNBUFFERED", None)
    hypothesis.settings.register_profile(
        "busy machine",
        deadline=None,
        suppress_health_check=[hypothesis.HealthCheck.too_slow],
    )
    hypothesis.settings.load_profile("busy machine")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Iterator[None]:
    """What a failed test has started ends with it: a test that hung cannot clean up."""
    before = children()
    try:
        return (yield)
    except BaseException:
        kill_families(children() - before)
        raise


@pytest.fixture(scope="session")
def servers(pytestconfig: pytest.Config) -> Iterator[ServerUrls]:
    """Real servers: those of the settings, else a private stack for this run."""
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")

    def say(line: str) -> None:
        with capture.global_and_fixture_disabled():
            print(f"\n{line}", end="", flush=True)  # noqa: T201 - the choice is to be seen

    settings = Settings.from_environment()
    folder = Path(settings.data_folder) / f"test-{uuid4().hex[:8]}"
    with discover_servers(settings, folder, keep=False, say=say) as urls:
        yield urls


@pytest.fixture(scope="session")
def broker_url(servers: ServerUrls) -> str:
    return servers.broker


@pytest.fixture(scope="session")
def make_database(servers: ServerUrls) -> Iterator[Callable[[], str]]:
    """Makes an empty database at each call and returns its URL; all are dropped in the end."""
    made: list[str] = []

    def make() -> str:
        made.append(f"spendline_test_{uuid4().hex[:12]}")
        asyncio.run(_execute(servers.database, f"CREATE DATABASE {made[-1]}"))
        return servers.database.rpartition("/")[0] + "/" + made[-1]

    yield make
    for name in made:
        asyncio.run(_execute(servers.database, f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(scope="session")
def settings(servers: ServerUrls, make_database: Callable[[], str]) -> Iterator[Settings]:
    """Settings of a system that only this run uses: a migrated database and prefixes of its own."""
    prefix = f"test-{uuid4().hex[:8]}"
    ours = replace(
        Settings.from_environment(),
        database_url=make_database(),
        broker_url=servers.broker,
        redis_url=servers.redis,
        queue_prefix=prefix,
        key_prefix=prefix,
    )
    asyncio.run(migrate_database(ours.database_url))
    yield ours
    _delete_queues(servers.broker, prefix)
    _delete_keys(servers.redis, prefix)


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url, timeout=10)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


def _delete_queues(url: str, prefix: str) -> None:
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    for name in Queues(prefix).all:
        channel.queue_delete(name)
    connection.close()


def _delete_keys(url: str, prefix: str) -> None:
    with redis.Redis.from_url(url) as client:
        for key in client.scan_iter(f"{prefix}*", count=1000):
            client.unlink(key)
