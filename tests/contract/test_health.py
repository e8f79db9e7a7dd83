"""What operators see: alive, ready, draining; and a stop that nobody notices."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest

from pipeline.settings import Settings
from tests.support.raw_client import RawClient, purchase
from workers.local.supervisor import System

Account = dict[str, str]


@pytest.fixture
def second(own: Settings, tmp_path: Path) -> Iterator[System]:
    """Another API of the same system, on a port of its own."""
    with socket.socket() as probe:
        probe.bind((own.api_host, 0))
        port = probe.getsockname()[1]
    with System(replace(own, api_port=port), tmp_path) as processes:
        processes.start_process("api", "api")
        processes.wait_until_ready()
        yield processes


async def test_live_ready_and_version_need_no_token(http: aiohttp.ClientSession) -> None:
    for path, expected in (("/livez", "alive"), ("/readyz", "ready")):
        async with http.get(path) as response:
            assert (response.status, (await response.json())["status"]) == (200, expected)
    async with http.get("/version") as response:
        assert (await response.json())["version"]
        assert response.headers["X-Content-Type-Options"] == "nosniff"


async def test_a_request_keeps_the_id_that_its_client_gave(client: RawClient) -> None:
    assert (await client.get("/livez", {"X-Request-ID": "abc-1"})).headers[
        "X-Request-ID"
    ] == "abc-1"
    made = (await client.get("/livez", {"X-Request-ID": "a b\t"})).headers["X-Request-ID"]
    assert made != "a b\t"


async def test_ready_names_the_part_that_fails(own: Settings, tmp_path: Path) -> None:
    """A queue that does not exist stands for a broker that cannot take a message."""
    with socket.socket() as probe:
        probe.bind((own.api_host, 0))
        port = probe.getsockname()[1]
    elsewhere = replace(own, api_port=port, queue_prefix="nowhere", confirm_seconds=1.0)
    with System(elsewhere, tmp_path) as processes:
        processes.start_process("api", "api")
        async with aiohttp.ClientSession(f"http://{own.api_host}:{port}") as http:
            answer = await _first_answer(http, "/readyz")
            assert answer["status"] == 503
            assert [error["pointer"] for error in answer["errors"]] == ["/parts/broker"]


async def test_a_stop_under_load_loses_nothing_and_refuses_nobody(
    second: System, client_of: object, account: Account, client: RawClient
) -> None:
    # Given
    address = f"http://{second.settings.api_host}:{second.settings.api_port}"
    statuses: list[int] = []
    accepted: list[str] = []
    busy = asyncio.Event()

    async def push_until_closed(http: aiohttp.ClientSession) -> None:
        while True:
            row = purchase(account)
            try:
                async with http.post(
                    "/v1/transactions", json={"transactions": [row]}, headers=client.headers
                ) as response:
                    statuses.append(response.status)
                    accepted.append(row["transaction_id"])
                    if len(statuses) == 50:
                        busy.set()
            except aiohttp.ClientConnectionError:
                return

    # When
    async with aiohttp.ClientSession(address) as http:
        pushing = [asyncio.create_task(push_until_closed(http)) for _ in range(8)]
        await busy.wait()
        stopped = asyncio.to_thread(second.stop_process, "api")
        status, *_ = await asyncio.gather(stopped, *pushing)
    # Then
    assert status == 0
    assert set(statuses) == {202}
    async with asyncio.timeout(30):
        while not set(accepted) <= await _all_ids(client, account):
            await client.push(purchase(account))  # its receipt takes as long as the queue


async def _first_answer(http: aiohttp.ClientSession, path: str) -> dict[str, object]:
    for _ in range(100_000):
        try:
            async with http.get(path) as response:
                answer: dict[str, object] = await response.json(content_type=None)
                return answer
        except aiohttp.ClientConnectionError:
            await asyncio.sleep(0)
    raise AssertionError("the API did not come up")


async def _all_ids(client: RawClient, account: Account) -> set[str]:
    ids: set[str] = set()
    cursor: dict[str, str] = {}
    while True:
        url = f"/v1/users/{account['user_id']}/transactions"
        page = (await client.get(url, limit=1000, **cursor)).body
        ids |= {row["transaction_id"] for row in page["transactions"]}
        if page["next_cursor"] is None:
            return ids
        cursor = {"cursor": page["next_cursor"]}
