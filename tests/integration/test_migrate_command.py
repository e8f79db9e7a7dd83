"""`spendline migrate` and `spendline partitions`, on servers that hold nothing yet."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from uuid import uuid4

import asyncpg
import pika
import pytest
from click.testing import CliRunner, Result

from pipeline.queue.topology import Queues
from pipeline.settings import Settings
from workers.commands import main


@pytest.fixture
def empty(settings: Settings, make_database: Callable[[], str]) -> Iterator[Settings]:
    """A system before its first migration."""
    prefix = f"test-{uuid4().hex[:8]}"
    yield replace(settings, database_url=make_database(), queue_prefix=prefix)
    with closing(pika.BlockingConnection(pika.URLParameters(settings.broker_url))) as connection:
        for name in Queues(prefix).all:
            connection.channel().queue_delete(name)


def spendline(settings: Settings, *arguments: str) -> Result:
    return CliRunner().invoke(main, arguments, env=settings.to_environment())


def test_migrating_twice_is_migrating_once(empty: Settings) -> None:
    first = json.loads(spendline(empty, "migrate", "--json").output)
    assert first["migrations"][0] == "0001_foundation"
    assert len(first["months"]) == 24 + 1 + empty.months_ahead
    again = spendline(empty, "migrate", "--json")
    assert json.loads(again.output) == {"migrations": [], "months": []}


def test_migrate_makes_the_queues_and_the_months(empty: Settings) -> None:
    spendline(empty, "migrate")
    with closing(pika.BlockingConnection(pika.URLParameters(empty.broker_url))) as connection:
        for name in Queues(empty.queue_prefix).all:
            connection.channel().queue_declare(name, passive=True)
    months = json.loads(spendline(empty, "partitions", "list", "--json").output)
    assert len(months) == 24 + 1 + empty.months_ahead
    assert set(months[0]) == {"month", "rows", "bytes"}


def test_months_of_history_are_created_without_a_gap(empty: Settings) -> None:
    spendline(empty, "migrate")
    oldest = json.loads(spendline(empty, "partitions", "list", "--json").output)[0]["month"]
    made = spendline(
        empty, "partitions", "create", "--from", "2020-01", "--to", "2020-02", "--json"
    )
    created = json.loads(made.output)["created"]
    assert created[:2] == ["2020-01", "2020-02"]
    assert oldest not in created
    months = [
        m["month"] for m in json.loads(spendline(empty, "partitions", "list", "--json").output)
    ]
    assert months == sorted(months)
    assert months[0] == "2020-01"


def test_partitions_alone_lists_them(empty: Settings) -> None:
    spendline(empty, "migrate")
    shown = spendline(empty, "partitions")
    assert shown.exit_code == 0
    assert "rows (estimate)" in shown.output


def test_months_in_the_wrong_order_are_refused(empty: Settings) -> None:
    refused = spendline(empty, "partitions", "create", "--from", "2020-02", "--to", "2020-01")
    assert refused.exit_code == 2


def test_migrate_keeps_the_taxonomy_for_the_api(empty: Settings) -> None:
    async def kept() -> list[dict[str, str]]:
        connection = await asyncpg.connect(empty.database_url)
        try:
            return json.loads(await connection.fetchval("SELECT categories FROM taxonomy"))
        finally:
            await connection.close()

    spendline(empty, "migrate")
    categories = asyncio.run(kept())
    assert len(categories) == 123
    assert set(categories[0]) == {"code", "primary", "name", "description", "parent"}
