"""The processes that a test has started, and their end whatever becomes of the test."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil


@contextmanager
def running(command: Sequence[str | Path], **options: Any) -> Iterator[subprocess.Popen[Any]]:
    """A process that is killed in the end; `options` are those of Popen."""
    with subprocess.Popen(command, **options) as process:
        try:
            yield process
        finally:
            process.kill()


def children() -> set[int]:
    """The process ids of our own children."""
    return {child.pid for child in psutil.Process().children()}


def kill_families(pids: set[int]) -> None:
    """Kill these processes and all below them; those that have ended are passed over."""
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            parent = psutil.Process(pid)
            for process in [*parent.children(recursive=True), parent]:
                _kill(process)


def _kill(process: psutil.Process) -> None:
    with suppress(psutil.NoSuchProcess):
        process.kill()
