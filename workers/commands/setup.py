"""Commands get here their settings, their database and the name of their user."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from getpass import getuser
from typing import TypeVar

import asyncpg

from pipeline.database.pool import open_pool, translate_errors
from pipeline.settings import Settings

T = TypeVar("T")


def read_settings(*servers: str) -> Settings:
    """Read the settings; raise InvalidSettings unless they name these servers, or all of them."""
    settings = Settings.from_environment()
    settings.require_servers(*servers)
    return settings


def ask_database(name: str, ask: Callable[[asyncpg.Pool], Awaitable[T]]) -> T:
    """Return what `ask` gives for a pool of one connection; pg_stat_activity shows `name`."""
    return asyncio.run(_ask(read_settings("database_url"), name, ask))


async def _ask(settings: Settings, name: str, ask: Callable[[asyncpg.Pool], Awaitable[T]]) -> T:
    url = settings.database_url
    async with (
        await open_pool(url, size=1, name=f"spendline-{name}", timeout=10) as pool,
        translate_errors(),
    ):
        return await ask(pool)


def name_operator() -> str:
    """Name the user of the operating system, for the audit log."""
    try:
        return f"operator {getuser()}"
    except (OSError, KeyError):  # a container's user need not have a name
        return f"operator {os.getuid()}"
