"""Bearer tokens: made once and shown once; only their SHA-256 is kept."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Collection
from contextlib import suppress
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Final, NamedTuple
from uuid import UUID

import asyncpg

from pipeline.access.audit import acting
from pipeline.database.pool import translated
from pipeline.database.queries import queries
from pipeline.errors import StoreUnavailable

_SQL: Final = queries("pipeline.access", "tokens")
SCOPES: Final = ("ingest", "read", "manage", "admin")


class Created(NamedTuple):
    """A new token; its text is not kept anywhere."""

    token_id: UUID
    text: str
    expires_at: datetime | None


class Principal(NamedTuple):
    """Who is calling: a token, what it may do, and the user it is bound to, if any."""

    token_id: UUID
    scopes: frozenset[str]
    user_id: UUID | None
    expires_at: datetime | None


class Tokens:
    """Tokens in PostgreSQL. Raises StoreUnavailable."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def create(
        self,
        name: str,
        scopes: Collection[str],
        *,
        user_id: UUID | None = None,
        expires_in: timedelta | None = None,
        actor: str | None = None,
    ) -> Created | None:
        """None: there is no such user."""
        text = f"spl_{secrets.token_urlsafe(32)}"
        async with acting(self._pool, actor) as connection:
            row = await connection.fetchrow(
                _SQL["create"], digest(text), name, sorted(set(scopes)), user_id, expires_in
            )
        return Created(row["token_id"], text, row["expires_at"]) if row else None

    async def authenticate(self, digest: bytes) -> Principal | None:
        """The holder of the token with this digest, unless it is unknown, expired or revoked."""
        async with translated():
            row = await self._pool.fetchrow(_SQL["valid"], digest)
            if row is None or not hmac.compare_digest(row["digest"], digest):
                return None
        if row["stale"]:
            await self._touch(row["token_id"])
        scopes = frozenset(row["scopes"])
        return Principal(row["token_id"], scopes, row["user_id"], row["expires_at"])

    async def list(self) -> list[asyncpg.Record]:
        """All tokens, oldest first, with their last use to the minute."""
        async with translated():
            rows: list[asyncpg.Record] = await self._pool.fetch(_SQL["list"])
            return rows

    async def revoke(self, token_id: UUID, actor: str | None = None) -> bool:
        """False: there is no such token. APIs forget it within their token cache's seconds."""
        async with acting(self._pool, actor) as connection:
            return bool(await connection.fetchval(_SQL["revoke"], token_id))

    async def _touch(self, token_id: UUID) -> None:
        """Note the use; a database that cannot be written now does not stop a reader."""
        with suppress(StoreUnavailable):
            async with translated():
                await self._pool.execute(_SQL["touch"], token_id)


def digest(text: str) -> bytes:
    """What is kept of a token."""
    return sha256(text.encode()).digest()
