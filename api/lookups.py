"""What a process remembers of PostgreSQL: whose accounts, which months and which categories."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Coroutine
from datetime import date
from typing import Any, Final
from uuid import UUID

import asyncpg
from aiohttp import web
from async_lru import alru_cache

from pipeline.access.accounts import Accounts, Owner
from pipeline.database.partitions import Managed, read_managed_range
from pipeline.database.pool import translate_errors
from pipeline.errors import NoPartition

_OWNERS_SECONDS: Final = 60.0  # an account's user never changes, but both can be erased
_MONTHS_SECONDS: Final = 1.0
_CATEGORIES_SECONDS: Final = 60.0  # a new model may bring a new category

CategoryFields = dict[str, str]


class Owners:
    """Account -> user, at most `size` of them, all dropped every minute.

    An unknown account is looked up every time, so that a new one works at once. A dict answers
    for 10,000 accounts of one push in 1 ms, where `cachetools.TTLCache` takes 15 ms.
    """

    def __init__(self, accounts: Accounts, size: int) -> None:
        self._accounts = accounts
        self._size = size
        self._owners: dict[str, Owner] = {}
        self._expires_at = 0.0

    async def find_owners(
        self, account_ids: Collection[str], only: UUID | None
    ) -> dict[str, Owner]:
        """Return the owners of these accounts; with `only`, of the accounts of that user."""
        if time.monotonic() > self._expires_at or len(self._owners) > self._size:
            self._owners = {}
            self._expires_at = time.monotonic() + _OWNERS_SECONDS
        owners = self._owners  # another request may replace the attribute during the look-up
        missing = [a for a in account_ids if a not in owners and is_canonical(a)]
        if missing:
            owners.update(await self._accounts.find_owners(missing))
        named = {a: owners[a] for a in account_ids if a in owners}
        if only is None:
            return named
        return {a: owner for a, owner in named.items() if owner.user_id == only.bytes}

    def forget_user(self, user_id: UUID) -> None:
        """Drop the accounts of an erased user."""
        self._owners = {a: o for a, o in self._owners.items() if o.user_id != user_id.bytes}


class Months:
    """The range of dates that have partitions."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._range: Managed | None = None
        self._read_at = float("-inf")

    async def find_range(self, days: Collection[date]) -> Managed:
        """Return the range; one that misses a day is read again, at most once a second.

        Raises NoPartition before the first migration, StoreUnavailable.
        """
        if self._range is None or (self._misses(days) and self._is_stale()):
            await self.read_range()
        if self._range is None:
            raise NoPartition("there are no monthly partitions yet: run `spendline migrate`")
        return self._range

    async def read_range(self) -> Managed | None:
        """Read the range from PostgreSQL now. Raises StoreUnavailable."""
        self._read_at = time.monotonic()
        async with translate_errors():
            self._range = await read_managed_range(self._pool)
        return self._range

    def _misses(self, days: Collection[date]) -> bool:
        if self._range is None or not days:
            return False
        return min(days) < self._range.first or max(days) > self._range.last

    def _is_stale(self) -> bool:
        return time.monotonic() - self._read_at > _MONTHS_SECONDS


class Categories:
    """The taxonomy, read again after a minute."""

    def __init__(self, load: Callable[[], Coroutine[Any, Any, list[CategoryFields]]]) -> None:
        self._load = alru_cache(maxsize=1, ttl=_CATEGORIES_SECONDS)(load)

    async def list_all(self) -> list[CategoryFields]:
        """Return every category; an empty taxonomy is not kept, since one is about to come."""
        categories = await self._load()
        if not categories:
            self._load.cache_clear()
        return categories

    async def map_primaries(self) -> dict[str, str]:
        """Return the primary code of each detailed code."""
        return {c["code"]: c["primary"] for c in await self.list_all()}

    async def expand_code(self, code: str) -> tuple[str, ...]:
        """Return the detailed codes of a primary or detailed code; empty for an unknown code."""
        return tuple(c["code"] for c in await self.list_all() if code in {c["code"], c["primary"]})


OWNERS: Final = web.AppKey("owners", Owners)
MONTHS: Final = web.AppKey("months", Months)
CATEGORIES: Final = web.AppKey("categories", Categories)


def is_canonical(text: str) -> bool:
    """Return whether `text` is a UUID exactly as this API writes one."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False
