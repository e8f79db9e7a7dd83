"""List, show, replay or drop what could not be stored."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from uuid import UUID

import click
import msgspec
from rich.console import Console
from rich.table import Table

from pipeline.database.clock import Clock
from pipeline.errors import BrokerUnavailable
from pipeline.queue.publisher import Publisher
from pipeline.queue.topology import Queues
from pipeline.settings import Settings
from pipeline.store.dead_letters import Letter, Letters
from workers.commands.setup import with_pool

T = TypeVar("T")

Act = Callable[[Letter], Awaitable[str]]

_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_which = click.argument("letter_ids", nargs=-1, type=click.IntRange(1), metavar="[LETTER]...")
_all = click.option("--all", "every", is_flag=True, help="Every letter there is.")

_UNREADABLE = "unreadable: it can only be dropped"
_AGAIN = "has died again"


@click.group()
def command() -> None:
    """Letters that could not be stored, with the reasons; never what their rows say."""


@command.command("list")
@_json
def list_letters(*, as_json: bool) -> None:
    """List all letters, oldest first."""
    rows = [dict(row) for row in _with_letters(lambda letters: letters.list())]
    if as_json:
        _print({"dead_letters": rows})
        return
    table = Table("letter", "died at", "rows", "bytes", "reason", box=None)
    for row in rows:
        died = f"{row['died_at']:%Y-%m-%d %H:%M:%S}"
        table.add_row(*map(str, (row["letter_id"], died, row["rows"], row["bytes"], row["reason"])))
    Console().print(table)


@command.command()
@click.argument("letter_id", type=click.IntRange(1), metavar="LETTER")
@_json
def show(*, letter_id: int, as_json: bool) -> None:
    """Show whose ingests a letter carries, and why it died."""
    letter = _with_letters(lambda letters: letters.read(letter_id))
    if letter is None:
        raise click.ClickException(f"there is no letter {letter_id}")
    told = _told(letter)
    if as_json:
        _print(told)
        return
    for name, value in told.items():
        for line in value if isinstance(value, list) else [value]:
            click.echo(f"{name:<10} {line}")


@command.command()
@_which
@_all
@_json
def replay(*, letter_ids: tuple[int, ...], every: bool, as_json: bool) -> None:
    """Publish letters again, then remove them; doing it twice stores nothing twice."""

    async def act(settings: Settings, letters: Letters, ids: tuple[int, ...]) -> dict[int, str]:
        async with _publisher(settings) as publisher:

            async def replayed(letter: Letter) -> str:
                if letter.chunk is None:
                    return _UNREADABLE
                await publisher.publish(letter.chunk)
                return "replayed" if await letters.replayed(letter) else _AGAIN

            return await _each(letters, ids, replayed)

    _tell(_on(letter_ids, act, every=every), "replayed", as_json=as_json)


@command.command()
@_which
@_all
@_json
def drop(*, letter_ids: tuple[int, ...], every: bool, as_json: bool) -> None:
    """Remove letters for good; their ingests stay failed."""

    async def act(_: Settings, letters: Letters, ids: tuple[int, ...]) -> dict[int, str]:
        async def dropped(letter: Letter) -> str:
            return "dropped" if await letters.drop(letter) else _AGAIN

        return await _each(letters, ids, dropped)

    _tell(_on(letter_ids, act, every=every), "dropped", as_json=as_json)


def _told(letter: Letter) -> dict[str, Any]:
    told: dict[str, Any] = {
        "letter_id": letter.letter_id,
        "died_at": letter.died_at,
        "reason": letter.reason,
    }
    if letter.chunk is None:
        return told | {"rows": 0, "users": [], "ingests": []}
    return told | {
        "rows": len(letter.chunk),
        "users": sorted({str(UUID(bytes=user)) for user in letter.chunk.users}),
        "ingests": [str(UUID(bytes=part.ingest_id)) for part in letter.chunk.parts],
    }


async def _each(letters: Letters, ids: tuple[int, ...], act: Act) -> dict[int, str]:
    """What became of each letter; the first failure of a server ends it."""
    became: dict[int, str] = {}
    for letter_id in ids:
        letter = await letters.read(letter_id)
        became[letter_id] = await act(letter) if letter else "there is no such letter"
    return became


def _on(
    letter_ids: tuple[int, ...],
    act: Callable[[Settings, Letters, tuple[int, ...]], Awaitable[dict[int, str]]],
    *,
    every: bool,
) -> dict[int, str]:
    if every == bool(letter_ids):
        raise click.UsageError("name letters, or give --all")
    settings = Settings.from_environment()

    async def run(letters: Letters) -> dict[int, str]:
        chosen = letter_ids
        if every:
            chosen = tuple(row["letter_id"] for row in await letters.list())
        return await act(settings, letters, chosen)

    return _with_letters(run)


def _tell(became: dict[int, str], done: str, *, as_json: bool) -> None:
    """Status 1 when it was not done to one of them."""
    if as_json:
        _print({"dead_letters": [{"letter_id": i, "became": b} for i, b in became.items()]})
    else:
        for letter_id, said in became.items():
            click.echo(f"letter {letter_id}: {said}")
        click.echo(f"{done}: {list(became.values()).count(done)} of {len(became)}")
    if set(became.values()) - {done}:
        raise SystemExit(1)


@asynccontextmanager
async def _publisher(settings: Settings) -> AsyncIterator[Publisher]:
    queue = Queues(settings.queue_prefix).ingest
    publisher = Publisher(settings.broker_url, queue, Clock(), settings.confirm_seconds)
    await publisher.start()
    try:
        if publisher.trouble is not None:
            raise BrokerUnavailable(publisher.trouble)
        yield publisher
    finally:
        await publisher.stop()


def _print(value: object) -> None:
    click.echo(msgspec.json.encode(value).decode())


def _with_letters(use: Callable[[Letters], Awaitable[T]]) -> T:
    return with_pool("letters", lambda pool: use(Letters(pool)))
