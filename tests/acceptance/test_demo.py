"""The demonstration as a stranger runs it: a command, its output, its exit status."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import asyncpg
import pytest

from pipeline.access.tokens import Tokens
from pipeline.database import partitions
from pipeline.database.pool import open_pool
from pipeline.settings import Settings
from workers.local.supervisor import System

SPENDLINE = Path(sys.executable).parent / "spendline"
ROWS = 3_000


@pytest.fixture
def served(own: Settings, tmp_path: Path) -> Iterator[Settings]:
    """A whole system whose months cover the feed."""
    with socket.socket() as probe:
        probe.bind((own.api_host, 0))
        port = probe.getsockname()[1]
    settings = replace(own, api_port=port)
    asyncio.run(_cover(settings, date(2014, 3, 1)))
    with System(settings, tmp_path) as processes:
        processes.start_process("api", "api")
        processes.start_process("worker", "tests.support.doubles")
        processes.wait_until_ready()
        yield settings


async def _cover(settings: Settings, first: date) -> None:
    connection = await asyncpg.connect(settings.database_url)
    await partitions.ensure_months(connection, first, first)
    await connection.close()


async def _token(settings: Settings, *scopes: str) -> str:
    async with await open_pool(settings.database_url, size=1, name="test", timeout=10) as pool:
        made = await Tokens(pool).create_token("demo", scopes)
    assert made is not None
    return made.text


def demo(settings: Settings, token: str, *options: str) -> subprocess.CompletedProcess[str]:
    address = f"http://{settings.api_host}:{settings.api_port}"
    return subprocess.run(
        [SPENDLINE, "demo", "--api", address, "--token", token, "--rows", str(ROWS), *options],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_every_row_is_there_once_and_the_sums_agree(served: Settings) -> None:
    # Given
    token = asyncio.run(_token(served, "ingest", "read", "manage"))
    # When
    shown = demo(served, token)
    told = demo(served, token, "--json")
    # Then
    assert shown.returncode == 0, shown.stderr
    last = shown.stdout.strip().splitlines()[-1]
    assert last == "demo: 3,000 accepted, 3,000 in the feed, 0 lost, 0 duplicated, insights agree"
    outcome = json.loads(told.stdout)
    assert (told.returncode, outcome["right"]) == (0, True)
    assert outcome["rows_in_feed"] == ROWS
    assert outcome["cache_invalidated"]
    assert outcome["cache_hits"] >= 3


def test_a_refusal_is_one_line_and_status_one(served: Settings) -> None:
    token = asyncio.run(_token(served, "read"))
    refused = demo(served, token)
    assert refused.returncode == 1
    assert "403" in refused.stderr.splitlines()[-1]
    assert "Traceback" not in refused.stderr
