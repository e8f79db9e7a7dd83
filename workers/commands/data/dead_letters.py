"""List, show, replay or drop what could not be stored."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, TypeVar
from uuid import UUID

import click

from pipeline.database.clock import Clock
from pipeline.errors import BrokerUnavailable
from pipeline.queue.publisher import Publisher
from pipeline.queue.topology import Queues
from pipeline.settings import Settings
from pipeline.store.dead_letters import DeadLetter, DeadLetters
from workers.commands.output import json_option, print_result, print_rows
from workers.commands.setup import ask_database, read_settings

T = TypeVar("T")

Treat = Callable[[DeadLetter], Awaitable[str]]
Results = dict[str, list[dict[str, Any]]]

_COLUMNS: Final = ("letter_id", "died_at", "rows", "bytes", "reason")
_UNREADABLE: Final = "unreadable: it can only be dropped"
_AGAIN: Final = "has died again"
_ABSENT: Final = "there is no such letter"

_chosen = click.argument("dead_letter_ids", nargs=-1, type=click.IntRange(1), metavar="[ID]...")
_all = click.option("--all", "every", is_flag=True, help="Choose all dead letters.")


@click.group()
def command() -> None:
    """List, show, replay or drop chunks of transactions that could not be stored.

    The output gives reasons and numbers, and never the descriptions of transactions.
    """


@command.command("list")
@json_option
def list_dead_letters(*, as_json: bool) -> None:
    """List all dead letters, the oldest first."""
    rows = [
        dict(row)
        for row in _ask_dead_letters(lambda dead_letters: dead_letters.list_dead_letters())
    ]
    print_result({"dead_letters": rows}, _print_list, as_json=as_json)


@command.command("show")
@click.argument("dead_letter_id", type=click.IntRange(1), metavar="ID")
@json_option
def show_dead_letter(*, dead_letter_id: int, as_json: bool) -> None:
    """Show why a dead letter died, and which users and ingests it belongs to."""
    dead_letter = _ask_dead_letters(
        lambda dead_letters: dead_letters.read_dead_letter(dead_letter_id)
    )
    if dead_letter is None:
        raise click.ClickException(f"there is no dead letter {dead_letter_id}")
    print_result(_describe(dead_letter), _print_description, as_json=as_json)


@command.command("replay")
@_chosen
@_all
@json_option
def replay_dead_letters(*, dead_letter_ids: tuple[int, ...], every: bool, as_json: bool) -> None:
    """Publish dead letters again, then remove them. A second replay stores nothing twice."""
    settings = read_settings("database_url", "broker_url")

    async def run(dead_letters: DeadLetters) -> dict[int, str]:
        async with _open_publisher(settings) as publisher:

            async def replay(dead_letter: DeadLetter) -> str:
                if dead_letter.chunk is None:
                    return _UNREADABLE
                await publisher.publish(dead_letter.chunk)
                return "replayed" if await dead_letters.remove_replayed(dead_letter) else _AGAIN

            return await _treat_each(dead_letters, dead_letter_ids, replay)

    _require_choice(dead_letter_ids, every=every)
    _report(_ask_dead_letters(run), "replayed", as_json=as_json)


@command.command("drop")
@_chosen
@_all
@json_option
def drop_dead_letters(*, dead_letter_ids: tuple[int, ...], every: bool, as_json: bool) -> None:
    """Remove dead letters for good. Their ingests stay failed."""

    async def run(dead_letters: DeadLetters) -> dict[int, str]:
        async def drop(dead_letter: DeadLetter) -> str:
            return "dropped" if await dead_letters.drop_dead_letter(dead_letter) else _AGAIN

        return await _treat_each(dead_letters, dead_letter_ids, drop)

    _require_choice(dead_letter_ids, every=every)
    _report(_ask_dead_letters(run), "dropped", as_json=as_json)


def _require_choice(dead_letter_ids: tuple[int, ...], *, every: bool) -> None:
    if every == bool(dead_letter_ids):
        raise click.UsageError("name dead letters, or give --all")


def _describe(dead_letter: DeadLetter) -> dict[str, Any]:
    described: dict[str, Any] = {
        "letter_id": dead_letter.dead_letter_id,
        "died_at": dead_letter.died_at,
        "reason": dead_letter.reason,
    }
    if dead_letter.chunk is None:
        return described | {"rows": 0, "users": [], "ingests": []}
    return described | {
        "rows": len(dead_letter.chunk),
        "users": sorted({str(UUID(bytes=user)) for user in dead_letter.chunk.users}),
        "ingests": [str(UUID(bytes=part.ingest_id)) for part in dead_letter.chunk.parts],
    }


async def _treat_each(
    dead_letters: DeadLetters, ids: tuple[int, ...], treat: Treat
) -> dict[int, str]:
    """Treat the dead letters of these ids, or all; the first failure of a server ends it."""
    results: dict[int, str] = {}
    for dead_letter_id in ids or [
        row["letter_id"] for row in await dead_letters.list_dead_letters()
    ]:
        dead_letter = await dead_letters.read_dead_letter(dead_letter_id)
        results[dead_letter_id] = await treat(dead_letter) if dead_letter else _ABSENT
    return results


def _report(results: dict[int, str], done: str, *, as_json: bool) -> None:
    """Print the result of each dead letter; exit with status 1 unless all are `done`."""
    rows = [{"letter_id": i, "became": became} for i, became in results.items()]
    print_result({"dead_letters": rows}, lambda r: _print_results(r, done), as_json=as_json)
    if set(results.values()) - {done}:
        raise SystemExit(1)


def _print_list(listed: Results) -> None:
    print_rows(
        ("id", "died at", "rows", "bytes", "reason"),
        (
            [(row | {"died_at": f"{row['died_at']:%Y-%m-%d %H:%M:%S}"})[name] for name in _COLUMNS]
            for row in listed["dead_letters"]
        ),
    )


def _print_description(described: dict[str, Any]) -> None:
    for name, value in described.items():
        for line in value if isinstance(value, list) else [value]:
            click.echo(f"{name:<10} {line}")


def _print_results(results: Results, done: str) -> None:
    rows = results["dead_letters"]
    for row in rows:
        click.echo(f"dead letter {row['letter_id']}: {row['became']}")
    click.echo(f"{done}: {sum(row['became'] == done for row in rows)} of {len(rows)}")


@asynccontextmanager
async def _open_publisher(settings: Settings) -> AsyncIterator[Publisher]:
    """Yield a connected publisher. Raises BrokerUnavailable."""
    queue = Queues(settings.queue_prefix).ingest
    publisher = Publisher(settings.broker_url, queue, Clock(), settings.confirm_seconds)
    await publisher.start()
    try:
        if publisher.trouble is not None:
            raise BrokerUnavailable(publisher.trouble)
        yield publisher
    finally:
        await publisher.stop()


def _ask_dead_letters(ask: Callable[[DeadLetters], Awaitable[T]]) -> T:
    return ask_database("letters", lambda pool: ask(DeadLetters(pool)))
