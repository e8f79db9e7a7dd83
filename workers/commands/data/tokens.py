"""Create, list and revoke the bearer tokens of the API."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from datetime import timedelta
from getpass import getuser
from typing import Any, TypeVar
from uuid import UUID

import click
import msgspec
from rich.console import Console
from rich.table import Table

from pipeline.access.tokens import SCOPES, Tokens
from workers.commands.setup import with_pool

T = TypeVar("T")
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def command() -> None:
    """Bearer tokens: made once, shown once, kept only as a digest."""


@command.command()
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice(SCOPES),
    help="What it may do; may be given several times.",
)
@click.option("--user", "user_id", type=click.UUID, help="Bind it to one user.")
@click.option("--days", type=click.IntRange(1), help="Days until it expires; for ever if left out.")
@_JSON
def create(
    *, name: str, scopes: tuple[str, ...], user_id: UUID | None, days: int | None, as_json: bool
) -> None:
    """Create a token called NAME and print it; it cannot be shown again."""
    expires_in = timedelta(days=days) if days else None
    made = _with_tokens(
        lambda tokens: tokens.create(
            name, scopes, user_id=user_id, expires_in=expires_in, actor=operator()
        )
    )
    if made is None:
        raise click.ClickException(f"there is no user {user_id}")
    if as_json:
        shown = {"token_id": made.token_id, "token": made.text, "expires_at": made.expires_at}
        click.echo(msgspec.json.encode(shown))
    else:
        click.echo(made.text)


@command.command("list")
@_JSON
def show(*, as_json: bool) -> None:
    """List all tokens with their scopes and last use; never the tokens themselves."""
    rows = [dict(row) for row in _with_tokens(lambda tokens: tokens.list())]
    if as_json:
        click.echo(msgspec.json.encode({"tokens": rows}))
    else:
        _print(rows)


@command.command()
@click.argument("token_id", type=click.UUID)
@_JSON
def revoke(*, token_id: UUID, as_json: bool) -> None:
    """Revoke a token by its id; every API process refuses it within seconds."""
    if not _with_tokens(lambda tokens: tokens.revoke(token_id, operator())):
        raise click.ClickException(f"there is no token {token_id}")
    if as_json:
        click.echo(msgspec.json.encode({"revoked": token_id}))
    else:
        click.echo(f"revoked {token_id}")


def operator() -> str:
    """Who types this, for the audit log."""
    try:
        return f"operator {getuser()}"
    except (OSError, KeyError):  # a container's user need not have a name
        return f"operator {os.getuid()}"


def _print(rows: list[dict[str, Any]]) -> None:
    columns = ("token_id", "name", "scopes", "user_id", "expires_at", "revoked_at", "last_used_at")
    table = Table(*columns, box=None)
    for row in rows:
        shown = row | {"scopes": " ".join(row["scopes"])}
        table.add_row(*("" if shown[c] is None else str(shown[c]) for c in columns))
    Console().print(table)


def _with_tokens(use: Callable[[Tokens], Awaitable[T]]) -> T:
    return with_pool("tokens", lambda pool: use(Tokens(pool)))
