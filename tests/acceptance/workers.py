"""Worker processes of a system under test."""

from __future__ import annotations

import time

from workers.local.child import Child
from workers.local.supervisor import System

_MODULE = "tests.support.doubles"
_BOOT_SECONDS = 60.0


def start_worker(system: System, name: str) -> Child:
    return system.start_process(name, _MODULE)


def wait_until_working(system: System, *names: str) -> None:
    """Until each of these has said that it works."""
    waiting = set(names)
    deadline = time.monotonic() + _BOOT_SECONDS
    while waiting:
        waiting -= {name for name, line in system.read_new_lines() if "working:" in line}
        assert time.monotonic() < deadline, f"{waiting} did not start"
        time.sleep(0.02)
