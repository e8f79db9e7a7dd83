"""Tokens are looked up seldom, and never remembered wrongly."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from uuid import uuid4

import pytest

from api.http.authorization import TokenHolders
from pipeline.access.tokens import Principal


async def test_a_token_is_looked_up_once_for_concurrent_requests() -> None:
    # Given
    principal = Principal(uuid4(), frozenset({"read"}), None, None)
    asked: list[bytes] = []

    async def authenticate(digest: bytes) -> Principal | None:
        asked.append(digest)
        await asyncio.sleep(0)
        return principal

    holders = TokenHolders(SimpleNamespace(authenticate=authenticate), 60.0)  # type: ignore[arg-type]
    # When
    principals = await asyncio.gather(*(holders.find_holder("token") for _ in range(5)))
    # Then
    assert principals == [principal] * 5
    assert len(asked) == 1
    await TokenHolders(SimpleNamespace(authenticate=authenticate), 0.0).find_holder("token")  # type: ignore[arg-type]
    assert len(asked) == 2


async def test_a_failed_look_up_is_not_kept() -> None:
    answers = [TimeoutError(), None]

    async def authenticate(_: bytes) -> Principal | None:
        answer = answers.pop(0)
        if answer is not None:
            raise answer
        return None

    holders = TokenHolders(SimpleNamespace(authenticate=authenticate), 60.0)  # type: ignore[arg-type]
    with pytest.raises(TimeoutError):
        await holders.find_holder("token")
    assert await holders.find_holder("token") is None


async def test_a_token_is_looked_up_again_after_its_seconds() -> None:
    # Given
    look_ups: list[bytes] = []

    async def authenticate(digest: bytes) -> None:
        look_ups.append(digest)

    holders = TokenHolders(SimpleNamespace(authenticate=authenticate), 0.0)  # type: ignore[arg-type]
    await holders.find_holder("token")
    # When
    loop, expired = asyncio.get_running_loop(), asyncio.Event()
    loop.call_later(0.001, expired.set)
    await expired.wait()
    await holders.find_holder("token")
    # Then
    assert len(look_ups) == 2


async def test_a_request_that_breaks_off_does_not_stop_the_look_up_of_others() -> None:
    # Given
    asked, answered = asyncio.Event(), asyncio.Event()

    async def authenticate(_: bytes) -> None:
        asked.set()
        await answered.wait()

    holders = TokenHolders(SimpleNamespace(authenticate=authenticate), 60.0)  # type: ignore[arg-type]
    first, second = (asyncio.create_task(holders.find_holder("token")) for _ in range(2))
    await asked.wait()
    # When
    first.cancel()
    await asyncio.wait([first])
    answered.set()
    # Then
    assert await second is None
