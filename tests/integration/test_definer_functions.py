"""Functions that run as the owner of the tables find the owner's objects, whatever a caller has made."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import date
from uuid import uuid4

import asyncpg
import pytest

from pipeline.access.tokens import Tokens
from pipeline.access.users import Users
from pipeline.database.migrate import migrate_database
from pipeline.database.pool import open_pool

ROLES = ("spendline_api", "spendline_worker", "spendline_migrate")


@pytest.fixture
def url(make_database: Callable[[], str]) -> str:
    url = make_database()
    asyncio.run(migrate_database(url))
    return url


@pytest.fixture
async def pool(url: str) -> AsyncIterator[asyncpg.Pool]:
    async with await open_pool(url, size=2, name="test", timeout=30) as opened:
        yield opened


async def definers(pool: asyncpg.Pool) -> list[asyncpg.Record]:
    return await pool.fetch(
        "SELECT p.proname AS name, p.proconfig AS settings FROM pg_proc p "
        "WHERE p.prosecdef AND p.pronamespace = 'public'::regnamespace"
    )


async def shadow(connection: asyncpg.Connection, as_role: str) -> list[str]:
    """Temporary objects under the names of all tables and of the types that functions use."""
    tables = [
        row["name"]
        for row in await connection.fetch(
            "SELECT relname AS name FROM pg_class "
            "WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
        )
    ]
    base = await connection.fetchval("SELECT current_database()")
    await connection.execute(f"GRANT TEMPORARY ON DATABASE {base} TO {as_role}")
    await connection.execute(f"SET ROLE {as_role}")
    for table in tables:
        await connection.execute(
            f"CREATE TEMP TABLE {table} (act text, subject text, details jsonb)"
        )
    for name in ("regclass", "regrole", "date", "jsonb"):
        await connection.execute(f"CREATE DOMAIN pg_temp.{name} AS text CHECK (false)")
    return tables


async def test_every_definer_function_looks_for_temporary_objects_last(pool: asyncpg.Pool) -> None:
    functions = await definers(pool)
    assert {function["name"] for function in functions} == {"note_act", "create_month"}
    for function in functions:
        assert function["settings"] == ["search_path=pg_catalog, public, pg_temp"]


async def test_an_act_leaves_its_line_whatever_temporary_tables_its_session_has(
    url: str, pool: asyncpg.Pool
) -> None:
    # Given a login of the API that has made temporary tables of all names
    user = await Users(pool).create_user("somebody")
    token = await Tokens(pool).create_token("one", ("read",))
    assert token is not None
    connection = await asyncpg.connect(url)
    await shadow(connection, "spendline_api")
    # When it makes a token and erases a user
    await connection.execute(
        "INSERT INTO public.tokens (token_id, digest, name, scopes) VALUES ($1, $2, 'two', '{read}')",
        uuid4(),
        uuid4().bytes,
    )
    await connection.execute("DELETE FROM public.users WHERE user_id = $1", user["user_id"])
    # Then both are in the audit log, and nothing is in the table that pretended to be it
    acts = [row["act"] for row in await pool.fetch("SELECT act FROM audit ORDER BY audit_id")]
    assert acts[-2:] == ["token.created", "user.erased"]
    assert await connection.fetchval("SELECT count(*) FROM pg_temp.audit") == 0
    await connection.close()


async def test_a_month_is_made_beside_the_others_whatever_temporary_tables_there_are(
    url: str, pool: asyncpg.Pool
) -> None:
    # Given a login of a worker that has made temporary tables of all names
    connection = await asyncpg.connect(url)
    await shadow(connection, "spendline_worker")
    # When it makes a month
    month = date(2031, 1, 1)
    await connection.execute("SELECT public.create_month($1::pg_catalog.date)", month)
    # Then that is a partition of the real table, and the line about it is in the real log
    parent = await pool.fetchval(
        "SELECT inhparent::regclass::text FROM pg_inherits "
        "WHERE inhrelid = 'public.transactions_2031_01'::regclass"
    )
    assert parent == "transactions"
    assert await pool.fetchval("SELECT subject FROM audit ORDER BY audit_id DESC") == "2031-01"
    assert await connection.fetchval("SELECT count(*) FROM pg_temp.audit") == 0
    await connection.close()


async def test_nobody_connects_or_makes_temporary_tables_without_a_grant(
    pool: asyncpg.Pool,
) -> None:
    allowed = await pool.fetch(
        "SELECT a.privilege_type FROM pg_database d, aclexplode(d.datacl) a "
        "WHERE d.datname = current_database() AND a.grantee = 0"
    )
    assert allowed == []
    for role in ROLES:
        assert await pool.fetchval(
            "SELECT has_database_privilege($1, current_database(), 'CONNECT')", role
        )
    for role in ("spendline_api", "spendline_worker"):
        assert not await pool.fetchval(
            "SELECT has_database_privilege($1, current_database(), 'TEMPORARY')", role
        )
