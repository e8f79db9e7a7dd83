"""Create, list and revoke the bearer tokens of the API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final, TypeVar
from uuid import UUID

import click

from pipeline.access.tokens import SCOPES, Tokens
from workers.commands.output import json_option, print_result, print_rows
from workers.commands.setup import ask_database, name_operator

T = TypeVar("T")
_COLUMNS: Final = (
    "token_id", "name", "scopes", "user_id", "expires_at", "revoked_at", "last_used_at",
)  # fmt: skip


@click.group()
def command() -> None:
    """Create, list and revoke bearer tokens.

    The database keeps only a digest of a token, so a token is shown once.
    """


@command.command("create")
@click.argument("name")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    type=click.Choice(SCOPES),
    help="What the token may do. Repeat the option for more scopes.",
)
@click.option("--user", "user_id", type=click.UUID, help="The one user whom the token may act for.")
@click.option(
    "--days", type=click.IntRange(1), help="The days until the token expires.  [default: never]"
)
@json_option
def create_token(
    *, name: str, scopes: tuple[str, ...], user_id: UUID | None, days: int | None, as_json: bool
) -> None:
    """Create a token called NAME and print it; it cannot be shown again."""
    expires_in = timedelta(days=days) if days else None
    created = _ask_tokens(
        lambda tokens: tokens.create_token(
            name, scopes, user_id=user_id, expires_in=expires_in, actor=name_operator()
        )
    )
    if created is None:
        raise click.ClickException(f"there is no user {user_id}")
    result = {
        "token_id": created.token_id, "token": created.text, "expires_at": created.expires_at,
    }  # fmt: skip
    print_result(result, lambda token: click.echo(token["token"]), as_json=as_json)


@command.command("list")
@json_option
def list_tokens(*, as_json: bool) -> None:
    """List all tokens with their scopes and their last use, without the secrets."""
    rows = [dict(row) for row in _ask_tokens(lambda tokens: tokens.list_tokens())]
    print_result({"tokens": rows}, _print_tokens, as_json=as_json)


@command.command("revoke")
@click.argument("token_id", type=click.UUID)
@json_option
def revoke_token(*, token_id: UUID, as_json: bool) -> None:
    """Revoke the token TOKEN_ID; every API process refuses it within seconds."""
    if not _ask_tokens(lambda tokens: tokens.revoke_token(token_id, name_operator())):
        raise click.ClickException(f"there is no token {token_id}")
    print_result(
        {"revoked": token_id},
        lambda result: click.echo(f"revoked {result['revoked']}"),
        as_json=as_json,
    )


def _print_tokens(listed: dict[str, list[dict[str, Any]]]) -> None:
    rows = [row | {"scopes": " ".join(row["scopes"])} for row in listed["tokens"]]
    print_rows(_COLUMNS, ([row[column] for column in _COLUMNS] for row in rows))


def _ask_tokens(ask: Callable[[Tokens], Awaitable[T]]) -> T:
    return ask_database("tokens", lambda pool: ask(Tokens(pool)))
