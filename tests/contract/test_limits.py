"""What a token may use: exact headers, a clear refusal, and what happens while Redis is away."""

from __future__ import annotations

import asyncio
import re
import socket
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace

import aiohttp
import pytest

from pipeline.settings import Settings
from tests.support.raw_client import Answer, RawClient
from workers.local.supervisor import System

ClientOf = Callable[..., Awaitable[RawClient]]
LIMIT, WINDOW = 5, 30
TAXONOMY = "/v1/taxonomy"


def _port(settings: Settings) -> int:
    with socket.socket() as probe:
        probe.bind((settings.api_host, 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def limited(own: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Settings]]:
    """Two APIs with a quota that count together, and one whose Redis is away."""
    ours = replace(own, rate_limit=LIMIT, rate_limit_seconds=WINDOW)
    alone = replace(ours, redis_url="redis://127.0.0.1:1/0")
    every = [replace(settings, api_port=_port(own)) for settings in (ours, ours, alone)]
    systems = []
    try:
        for settings in every:
            systems.append(System(settings, tmp_path_factory.mktemp("limited")).__enter__())
            systems[-1].start_process("api", "api")
        for system in systems:
            system.wait_until_ready()
        yield every
    finally:
        for system in systems:
            system.close()


async def ask(settings: Settings, client: RawClient, path: str = TAXONOMY) -> Answer:
    address = f"http://{settings.api_host}:{settings.api_port}"
    async with aiohttp.ClientSession(address) as http:
        return await RawClient(http, "", client.token_id).get(path, client.headers)


async def test_without_a_quota_there_are_no_headers(client: RawClient) -> None:
    assert not [name for name in (await client.get(TAXONOMY)).headers if "RateLimit" in name]


async def test_every_answer_tells_what_is_left(
    limited: list[Settings], client_of: ClientOf
) -> None:
    # Given
    client = await client_of("read")
    # When
    answers = [await ask(limited[i % 2], client, TAXONOMY) for i in range(LIMIT + 2)]
    # Then
    assert [answer.status for answer in answers] == [200] * LIMIT + [429] * 2
    for answer, left in zip(answers, [4, 3, 2, 1, 0, 0, 0], strict=True):
        assert answer.headers["RateLimit-Policy"] == f'"requests";q={LIMIT};w={WINDOW}'
        found = re.fullmatch(r'"requests";r=(\d+);t=(\d+)', answer.headers["RateLimit"])
        assert found
        assert int(found[1]) == left
        assert 0 < int(found[2]) <= WINDOW
    assert answers[-1].body["status"] == 429
    assert 0 < int(answers[-1].headers["Retry-After"]) <= WINDOW
    assert "Retry-After" not in answers[0].headers


async def test_requests_at_once_are_counted_exactly(
    limited: list[Settings], client_of: ClientOf
) -> None:
    client = await client_of("read")
    answers = await asyncio.gather(*(ask(limited[i % 2], client) for i in range(40)))
    assert Counter(answer.status for answer in answers) == {200: LIMIT, 429: 40 - LIMIT}


async def test_refusals_are_counted_and_other_tokens_are_not_touched(
    limited: list[Settings], client_of: ClientOf
) -> None:
    # Given
    client, other = await client_of("ingest"), await client_of("read")
    forbidden = "/v1/users/00000000-0000-4000-8000-000000000000"
    # When
    statuses = [(await ask(limited[0], client, forbidden)).status for _ in range(LIMIT + 1)]
    # Then
    assert statuses == [403] * LIMIT + [429]
    assert (await ask(limited[0], other)).status == 200


async def test_operators_are_not_limited(limited: list[Settings], client: RawClient) -> None:
    for _ in range(LIMIT + 1):
        answer = await ask(limited[0], client, "/livez")
        assert (answer.status, "RateLimit" in answer.headers) == (200, False)


async def test_without_redis_a_process_counts_for_itself(
    limited: list[Settings], client_of: ClientOf
) -> None:
    client = await client_of("read")
    answers = [await ask(limited[2], client) for _ in range(LIMIT + 1)]
    assert [answer.status for answer in answers] == [200] * LIMIT + [429]
    assert answers[0].headers["RateLimit"].startswith('"requests";r=4;t=')
