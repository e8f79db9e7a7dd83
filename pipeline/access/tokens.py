"""Bearer tokens, which are shown once; only their SHA-256 is stored."""

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
from pipeline.database.pool import translate_errors
from pipeline.database.queries import load_queries
from pipeline.errors import StoreUnavailable

_SQL: Final = load_queries("pipeline.access", "tokens")
SCOPES: Final = ("ingest", "read", "manage", "admin")


class NewToken(NamedTuple):
    """A new token. Its text is stored nowhere."""

    token_id: UUID
    text: str
    expires_at: datetime | None


class Principal(NamedTuple):
    """The caller: a token, its scopes, and the user that it is bound to, if any."""

    token_id: UUID
    scopes: frozenset[str]
    user_id: UUID | None
    expires_at: datetime | None


class Tokens:
    """Tokens in PostgreSQL. All methods raise StoreUnavailable."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def create_token(
        self,
        name: str,
        scopes: Collection[str],
        *,
        user_id: UUID | None = None,
        expires_in: timedelta | None = None,
        actor: str | None = None,
    ) -> NewToken | None:
        """Create a token, bound to a user if one is named; None when there is no such user."""
        text = f"spl_{secrets.token_urlsafe(32)}"
        async with acting(self._pool, actor) as connection:
            row = await connection.fetchrow(
                _SQL["create_token"],
                digest_token(text),
                name,
                sorted(set(scopes)),
                user_id,
                expires_in,
            )
        return NewToken(row["token_id"], text, row["expires_at"]) if row else None

    async def authenticate(self, digest: bytes) -> Principal | None:
        """The holder of the token with this digest; None when it is unknown, expired or revoked."""
        async with translate_errors():
            row = await self._pool.fetchrow(_SQL["read_valid_token"], digest)
            if row is None or not hmac.compare_digest(row["digest"], digest):
                return None
        if row["use_is_old"]:
            await self._record_use(row["token_id"])
        scopes = frozenset(row["scopes"])
        return Principal(row["token_id"], scopes, row["user_id"], row["expires_at"])

    async def list_tokens(self) -> list[asyncpg.Record]:
        """All tokens, oldest first; their last use is exact to the minute."""
        async with translate_errors():
            rows: list[asyncpg.Record] = await self._pool.fetch(_SQL["list_tokens"])
            return rows

    async def revoke_token(self, token_id: UUID, actor: str | None = None) -> bool:
        """Revoke the token; False when there is no such token.

        API processes may accept it until their token cache expires.
        """
        async with acting(self._pool, actor) as connection:
            return bool(await connection.fetchval(_SQL["revoke_token"], token_id))

    async def _record_use(self, token_id: UUID) -> None:
        """Record the use, but let a reader go on when the database cannot be written."""
        with suppress(StoreUnavailable):
            async with translate_errors():
                await self._pool.execute(_SQL["record_use"], token_id)


def digest_token(text: str) -> bytes:
    """The SHA-256 of the text of a token, 32 bytes."""
    return sha256(text.encode()).digest()
