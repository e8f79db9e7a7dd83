"""The least privileges that the processes work with, and what they are kept from."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import aiohttp
import asyncpg
import pytest

from pipeline.access.tokens import SCOPES, Tokens
from pipeline.database import partitions
from pipeline.database.migrate import load_migrations, migrate_database
from pipeline.database.pool import open_pool
from pipeline.settings import Settings
from pipeline.store.dead_letters import DeadLetters
from tests.support.raw_client import RawClient, purchase
from workers.jobs.upkeep import maintain_database
from workers.local.supervisor import System
from workers.preparation import prepare_system


def as_role(settings: Settings, role: str) -> Settings:
    return replace(settings, database_url=f"{settings.database_url}?role={role}")


@pytest.fixture(scope="module")
def own(settings: Settings, make_database: Callable[[], str]) -> Settings:
    prefix = f"{settings.queue_prefix}-roles"
    with socket.socket() as probe:
        probe.bind((settings.api_host, 0))
        port = probe.getsockname()[1]
    ours = replace(
        settings, database_url=make_database(), queue_prefix=prefix, key_prefix=prefix,
        api_port=port,
    )  # fmt: skip
    asyncio.run(prepare_system(ours))
    return ours


@pytest.fixture(scope="module")
def system(own: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """An API and a worker, each with its own role."""
    with ExitStack() as stack:
        api = stack.enter_context(
            System(as_role(own, "spendline_api"), tmp_path_factory.mktemp("api"))
        )
        worker = stack.enter_context(
            System(as_role(own, "spendline_worker"), tmp_path_factory.mktemp("worker"))
        )
        api.start_process("api", "api")
        worker.start_process("worker", "tests.support.doubles")
        api.wait_until_ready()
        yield api


@pytest.fixture
async def pool(own: Settings) -> AsyncIterator[asyncpg.Pool]:
    async with await open_pool(own.database_url, size=1, name="test", timeout=30) as opened:
        yield opened


async def test_a_system_of_the_roles_does_all_of_its_work(
    system: System, own: Settings, pool: asyncpg.Pool
) -> None:
    # Given
    made = await Tokens(pool).create_token("roles", SCOPES)
    assert made is not None
    async with aiohttp.ClientSession(f"http://{own.api_host}:{own.api_port}") as http:
        client = RawClient(http, made.text, made.token_id)
        account = await client.new_account("somebody")
        user = f"/v1/users/{account['user_id']}"
        row = purchase(account)
        # When every kind of change and of reading is done
        await client.push(row, purchase(account))
        await client.push(row | {"amount": "-5.00", "date": "2026-10-20"})
        gone = {key: row[key] for key in ("account_id", "transaction_id")}
        await client.push(removed=[gone])
        key = {"Idempotency-Key": uuid4().hex}
        statuses = [
            (await client.post(f"{user}/tokens", {"scopes": ["read"]}, key)).status,
            *[
                (await client.get(user + path)).status
                for path in ("", "/accounts", "/transactions", "/transactions/sync")
            ],
            (await client.get(f"{user}/insights/spending", month="2026-11")).status,
            (await client.get("/v1/taxonomy")).status,
            (await client.ask("DELETE", user)).status,
        ]
    # Then
    assert statuses == [201, 200, 200, 200, 200, 200, 200, 204]
    assert await pool.fetchval("SELECT last_used_at FROM tokens WHERE token_id = $1", made.token_id)


async def test_a_workers_upkeep_makes_months_that_it_can_write(own: Settings) -> None:
    worker = replace(as_role(own, "spendline_worker"), months_ahead=5)
    async with await open_pool(worker.database_url, size=1, name="test", timeout=30) as pool:
        before = await partitions.list_months(pool)
        await maintain_database(pool, worker)
        await DeadLetters(pool).keep_dead_letter(b"body", None, "reason")
        after = await partitions.list_months(pool)
        assert len(after) == len(before) + 2
        for month in after:
            await pool.execute(
                f"DELETE FROM {partitions.name_partition(month.first)} WHERE user_id = $1",  # noqa: S608
                UUID(int=0),
            )


FORBIDDEN = {
    "spendline_api": [
        "UPDATE tokens SET revoked_at = NULL",
        "DELETE FROM tokens",
        "SELECT FROM audit",
        "DELETE FROM audit",
        "INSERT INTO audit (act, subject) VALUES ('x', 'y')",
        "SELECT body FROM dead_letters",
        "UPDATE secrets SET value = ''",
        "INSERT INTO transactions DEFAULT VALUES",
        "UPDATE feeds SET position = 0",
        "INSERT INTO migrations VALUES ('x', 'y')",
        "SELECT create_month('2030-01-01')",
        "CREATE TABLE more (x integer)",
    ],
    "spendline_worker": [
        "SELECT FROM tokens",
        "SELECT FROM secrets",
        "SELECT FROM users",
        "SELECT FROM accounts",
        "SELECT answer FROM idempotency",
        "DELETE FROM feeds",
        "SELECT FROM audit",
        "UPDATE audit SET actor = 'x'",
        "DROP TABLE transactions",
        "SELECT grant_roles()",
    ],
}


@pytest.mark.parametrize(
    ("role", "statement"), [(role, s) for role, those in FORBIDDEN.items() for s in those]
)
async def test_a_role_may_do_no_more_than_its_process(
    pool: asyncpg.Pool, role: str, statement: str
) -> None:
    async with pool.acquire() as connection:
        await connection.execute(f"SET ROLE {role}")
        try:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
        finally:
            await connection.execute("RESET ROLE")


@pytest.fixture
async def plain(pool: asyncpg.Pool, own: Settings) -> AsyncIterator[str]:
    """The URL of an empty database whose owner may not make roles."""
    name, password = f"plain_{uuid4().hex[:8]}", uuid4().hex
    await pool.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{password}'")
    await pool.execute(f"CREATE DATABASE {name} OWNER {name}")
    where = urlsplit(own.database_url)
    yield f"postgresql://{name}:{password}@{where.hostname}:{where.port}/{name}"
    await pool.execute(f"DROP DATABASE {name} WITH (FORCE)")
    await pool.execute(f"DROP ROLE {name}")


async def test_a_user_who_may_not_make_roles_can_migrate(plain: str) -> None:
    # Given a server without the roles
    connection = await asyncpg.connect(plain)
    said: list[str] = []
    connection.add_log_listener(lambda _, notice: said.append(str(notice)))
    try:
        await connection.execute(
            "CREATE TABLE migrations (name text, checksum text, applied_at timestamptz)"
        )
        # When
        for migration in load_migrations():
            await connection.execute(migration.sql.replace("spendline_", f"absent_{uuid4().hex}_"))
        # Then there are none, and the rest works
        await connection.execute("SELECT create_month('2026-11-01'), grant_roles()")
        await asyncio.sleep(0)
        assert len([line for line in said if "was not made" in line]) == 3
    finally:
        await connection.close()


async def test_roles_that_are_there_already_are_used(plain: str, pool: asyncpg.Pool) -> None:
    await migrate_database(plain)
    connection = await asyncpg.connect(plain)
    try:
        for role, table in (("spendline_api", "tokens"), ("spendline_worker", "ledger")):
            allowed = "SELECT has_table_privilege($1, $2, 'INSERT')"
            assert await connection.fetchval(allowed, role, table)
    finally:
        await connection.close()
