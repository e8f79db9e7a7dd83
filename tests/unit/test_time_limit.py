"""The limit of time ends a test alone, names it, and ends what it has started."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from workers.local.pid_files import identify_process

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
SUITE = """
import asyncio
import subprocess
import threading
import time
from pathlib import Path

import pytest

STARTED = []
PIDS = Path(__file__).with_name("pids")


def start(*_):
    STARTED.append(subprocess.Popen(["sh", "-c", "sleep 600; true"]))
    with PIDS.open("a") as pids:
        pids.write(f"{STARTED[-1].pid} ")


@pytest.fixture(scope="session")
def slow_servers():
    time.sleep(1.5)


def test_that_hangs():
    start()
    threading.Event().wait()


async def test_that_hangs_in_a_loop():
    start()
    await asyncio.Event().wait()


def test_after_slow_fixtures(slow_servers):
    assert [process.wait(10) for process in STARTED] == [-9, -9]
"""


def test_a_hung_test_is_named_and_ends_alone(tmp_path: Path) -> None:
    # Given tests that hang, each with a child, and one whose fixture is slow
    suite = tmp_path / "test_suite.py"
    suite.write_text(SUITE)
    # When they run under a limit of one second
    arguments = ["-c", ROOT / "pyproject.toml", "-p", "tests.conftest", "--timeout", "1", suite]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    # Then those that hang fail by name, and the other one passes
    failed = [line.split("::")[1] for line in done.stdout.splitlines() if line.startswith("FAILED")]
    assert [line.split()[0] for line in failed] == ["test_that_hangs", "test_that_hangs_in_a_loop"]
    assert all("Timeout" in line for line in failed)
    assert "2 failed, 1 passed" in done.stdout
    # And no child is left
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    assert len(pids) == 2
    assert not any(map(identify_process, pids))
