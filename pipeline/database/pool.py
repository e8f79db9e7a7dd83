"""Connections to PostgreSQL: bounded pools, and which failures are worth another try."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final

import asyncpg

from pipeline.database.queries import load_queries
from pipeline.errors import StoreUnavailable

# Session settings live here because RESET ALL at release would undo a SET. Joins against the arrays
# of one batch must probe the index: a hash join would read the whole table, and so would a plan
# that was made while the table was small. Statements are planned once, because planning over all
# months takes longer than running, and months are pruned at run time.
_SESSION = {
    "jit": "off",
    "timezone": "UTC",
    "plan_cache_mode": "force_generic_plan",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_seqscan": "off",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "30s",
}

_SQL: Final = load_queries("pipeline.database", "pool")
_OPEN_SECONDS: Final = 10.0

_TRANSIENT = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.TransactionRollbackError,
    asyncpg.LockNotAvailableError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.IdleInTransactionSessionTimeoutError,
)


async def is_writable(pool: asyncpg.Pool) -> bool:
    """Whether the server takes writes. Raises the driver's errors when it does not answer."""
    return bool(await pool.fetchval(_SQL["is_writable"]))


async def _skip_reset(_: asyncpg.Connection) -> None:
    """Nothing of a session outlives a transaction, so a release has nothing to reset."""


async def open_pool(url: str, *, size: int, name: str, timeout: float) -> asyncpg.Pool:  # noqa: ASYNC109 - a bound on every statement
    """A pool of `size` connections; every statement ends within `timeout` seconds.

    `name` is shown in pg_stat_activity. Raises StoreUnavailable when PostgreSQL is away.
    """
    milliseconds = str(int(timeout * 1000))
    session = _SESSION | {"application_name": name, "statement_timeout": milliseconds}
    async with translate_errors():
        return await asyncpg.create_pool(
            url,
            min_size=1,
            max_size=size,
            timeout=timeout,
            command_timeout=timeout + 1,
            server_settings=session,
            reset=_skip_reset,
        )


@asynccontextmanager
async def open_connection(
    url: str, session: Mapping[str, str] | None = None
) -> AsyncGenerator[asyncpg.Connection]:
    """One connection for an administrative command; `session` holds its settings.

    It prepares no statements, so it works behind a pooler that gives each transaction another
    session. Raises StoreUnavailable when PostgreSQL is away; later failures pass as they are.
    """
    async with translate_errors():
        connection = await asyncpg.connect(
            url,
            timeout=_OPEN_SECONDS,
            statement_cache_size=0,
            server_settings=dict(session or {}),
        )
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def translate_errors() -> AsyncIterator[None]:
    """Raise StoreUnavailable for failures that another try can mend; defects pass unchanged."""
    try:
        yield
    except asyncio.CancelledError:
        raise
    except _TRANSIENT as error:
        raise StoreUnavailable(f"PostgreSQL: {type(error).__name__}") from error
