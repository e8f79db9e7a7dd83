"""What a process remembers for a short while, and asks again soon enough to be true.

Who owns which account, who holds which token, which months can be stored, which categories exist.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from datetime import date
from typing import Final
from uuid import UUID

import asyncpg

from pipeline.access.accounts import Accounts, Owner
from pipeline.access.tokens import Principal, Tokens, digest
from pipeline.database.partitions import Managed, managed
from pipeline.database.pool import translated
from pipeline.errors import NoPartition

_OWNERS_SECONDS: Final = 60.0  # an account's user never changes, but both can be erased
_MONTHS_SECONDS: Final = 1.0
_MAX_TOKENS: Final = 10_000


class Owners:
    """Account -> user; unknown accounts are asked for every time, so a new one is known at once."""

    def __init__(self, accounts: Accounts, size: int) -> None:
        self._accounts = accounts
        self._size = size
        self._known: dict[str, Owner] = {}
        self._forget_at = 0.0

    async def of(self, account_ids: Collection[str], only: UUID | None) -> dict[str, Owner]:
        """The owners of these accounts; with `only`, of those of that user."""
        if time.monotonic() > self._forget_at or len(self._known) > self._size:
            self._known = {}
            self._forget_at = time.monotonic() + _OWNERS_SECONDS
        known = self._known  # others may forget meanwhile: they begin a new one
        missing = [a for a in account_ids if a not in known and canonical(a)]
        if missing:
            known.update(await self._accounts.owners(missing))
        found = {a: known[a] for a in account_ids if a in known}
        if only is None:
            return found
        return {a: owner for a, owner in found.items() if owner.user_id == only.bytes}

    def forget(self, user_id: UUID) -> None:
        """Drop the accounts of an erased user."""
        self._known = {a: o for a, o in self._known.items() if o.user_id != user_id.bytes}


class TokenHolders:
    """Token -> principal, kept for `seconds`: so long a revoked token still works here."""

    def __init__(self, tokens: Tokens, seconds: float) -> None:
        self._tokens = tokens
        self._seconds = seconds
        self._known: dict[bytes, tuple[float, asyncio.Future[Principal | None]]] = {}

    async def holder(self, text: str) -> Principal | None:
        """Who holds the token; None: nobody. Concurrent requests ask PostgreSQL once."""
        key, now = digest(text), time.monotonic()
        until, asked = self._known.get(key, (0.0, None))
        if asked is None or now >= until or _failed(asked):
            if len(self._known) >= _MAX_TOKENS:
                self._known.clear()
            asked = asyncio.ensure_future(self._tokens.authenticate(key))
            self._known[key] = now + self._seconds, asked
        return await asyncio.shield(asked)


class Months:
    """The managed range; looked at again, at most once a second, when a date misses it."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool
        self._range: Managed | None = None
        self._read_at = float("-inf")

    async def covering(self, days: Collection[date]) -> Managed:
        """The managed range, fresh if one of the days is outside of what was known of it."""
        known = self._range
        missed = known and days and (min(days) < known.first or max(days) > known.last)
        if known is None or (missed and time.monotonic() - self._read_at > _MONTHS_SECONDS):
            await self.refresh()
        if self._range is None:
            raise NoPartition("there are no monthly partitions yet: run `spendline migrate`")
        return self._range

    async def refresh(self) -> Managed | None:
        """Read the range now."""
        self._read_at = time.monotonic()
        async with translated():
            self._range = await managed(self._pool)
        return self._range


class Categories:
    """The taxonomy as the API serves it, and which detailed codes a code stands for."""

    def __init__(self, load: Callable[[], Awaitable[list[dict[str, str]]]]) -> None:
        self._load = load
        self._all: list[dict[str, str]] = []
        self._read_at = float("-inf")

    async def all(self) -> list[dict[str, str]]:
        """Every category; read again after a minute, since a new model may bring a new one."""
        if not self._all or time.monotonic() - self._read_at > _OWNERS_SECONDS:
            self._all = await self._load()
            self._read_at = time.monotonic()
        return self._all

    async def primaries(self) -> dict[str, str]:
        """Detailed code -> primary code."""
        return {c["code"]: c["primary"] for c in await self.all()}

    async def detailed(self, code: str) -> tuple[str, ...]:
        """The detailed codes of a primary or detailed code; empty: there is no such code."""
        return tuple(
            c["code"] for c in await self.all() if c["code"] == code or c["primary"] == code
        )


def canonical(text: str) -> bool:
    """Whether `text` is a UUID exactly as we write them."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def _failed(asked: asyncio.Future[Principal | None]) -> bool:
    return asked.done() and (asked.cancelled() or asked.exception() is not None)
