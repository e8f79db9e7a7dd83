"""The README's commands, run as written."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import subprocess
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from pipeline.access.tokens import SCOPES, Tokens
from pipeline.database.pool import open_pool
from tests.acceptance.workers import start_worker
from tests.support.programs import program
from workers.local.supervisor import System

_README = Path(__file__).parents[2] / "README.md"
_BLOCK = re.compile(r"<!-- curl: begin -->\n```sh\n(.*?)```\n<!-- curl: end -->", re.DOTALL)


@pytest.fixture
def serving(own, tmp_path):
    """A started system, as `make up` leaves it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with System(replace(own, api_port=port), tmp_path) as system:
        system.start("api", "api")
        start_worker(system, "worker")
        system.wait_until_ready()
        yield system


async def _token(url: str) -> str:
    async with await open_pool(url, size=1, name="test", timeout=10) as pool:
        return (await Tokens(pool).create("readme", SCOPES, expires_in=timedelta(hours=1))).text


def test_the_curl_examples_work_as_written(serving):
    # Given a system, a token and curl
    program("curl")
    (script,) = _BLOCK.findall(_README.read_text(encoding="utf-8"))
    given = {
        "API": f"http://{serving.settings.api_host}:{serving.settings.api_port}",
        "TOKEN": asyncio.run(_token(serving.settings.database_url)),
    }
    # When the block is pasted into a shell
    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", script],
        env=os.environ | given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    # Then every call succeeds, and its answers hold what was pushed
    assert done.returncode == 0, done.stderr + done.stdout
    receipt, feed, sync, spending = done.stdout.splitlines()
    assert '"status":"stored"' in receipt
    assert "BLUE BOTTLE" in feed
    assert "BLUE BOTTLE" in sync
    assert '"by_category"' in spending
