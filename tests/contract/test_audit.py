"""Every administrative act leaves a line that says what, of whom and by whom."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import UUID

import asyncpg
from click.testing import CliRunner

from pipeline.access.tokens import Tokens
from pipeline.settings import Settings
from tests.support.raw_client import RawClient
from workers.commands import main

Account = dict[str, str]


async def lines(pool: asyncpg.Pool, subject: str) -> list[Any]:
    return await pool.fetch("SELECT * FROM audit WHERE subject = $1 ORDER BY audit_id", subject)


async def test_tokens_are_noted_without_their_text(
    client: RawClient, account: Account, pool: asyncpg.Pool
) -> None:
    # Given
    user = account["user_id"]
    made = await client.post(f"/v1/users/{user}/tokens", {"scopes": ["read"]})
    token_id = await pool.fetchval("SELECT token_id FROM tokens WHERE user_id = $1", UUID(user))
    # When
    for _ in range(2):
        await Tokens(pool).revoke_token(token_id, "operator x")
    # Then
    created, revoked = await lines(pool, str(token_id))
    assert (created["act"], created["actor"]) == ("token.created", f"token {client.token_id}")
    assert created["application"] == "spendline-api"
    details = json.loads(created["details"])
    assert (details["user_id"], details["scopes"]) == (user, ["read"])
    assert (revoked["act"], revoked["actor"]) == ("token.revoked", "operator x")
    everything = await pool.fetch("SELECT audit::text AS line FROM audit")
    assert not [row for row in everything if made.body["token"] in row["line"]]


async def test_the_erasure_of_a_user_is_noted_without_the_user(
    client: RawClient, account: Account, pool: asyncpg.Pool
) -> None:
    await client.ask("DELETE", f"/v1/users/{account['user_id']}")
    (line,) = await lines(pool, account["user_id"])
    assert (line["act"], line["actor"]) == ("user.erased", f"token {client.token_id}")
    assert line["details"] is None


async def test_migrations_and_months_are_noted(client: RawClient, pool: asyncpg.Pool) -> None:
    migrations = await pool.fetch("SELECT name, applied_at FROM migrations ORDER BY name")
    noted = await pool.fetch(
        "SELECT subject, at FROM audit WHERE act = 'migration.applied' ORDER BY subject"
    )
    assert [tuple(row) for row in noted] == [tuple(row) for row in migrations]
    months = await pool.fetchval("SELECT count(*) FROM audit WHERE act = 'partition.created'")
    assert months == 24 + 1 + 3


async def test_who_revokes_by_the_command_line_is_noted_and_listed(
    client: RawClient, own: Settings
) -> None:
    def spendline(*arguments: str) -> Any:
        return json.loads(CliRunner().invoke(main, arguments, env=own.to_environment()).output)

    made = await asyncio.to_thread(
        spendline, "tokens", "create", "probe", "--scope", "read", "--json"
    )
    await asyncio.to_thread(spendline, "tokens", "revoke", made["token_id"], "--json")
    listed = (await asyncio.to_thread(spendline, "audit", "--limit", "2", "--json"))["acts"]
    assert [(line["act"], line["subject"]) for line in listed] == [
        ("token.revoked", made["token_id"]),
        ("token.created", made["token_id"]),
    ]
    assert all(line["actor"].startswith("operator ") for line in listed)
