"""The CPU time and memory that processes have used so far."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil


def measure_cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time of these processes, their descendants, and children they have reaped."""
    return sum(map(_read_cpu_seconds, _find_family(pids)))


def measure_peak_megabytes(pid: int) -> float:
    """The largest resident memory that one process has had, in MiB."""
    # On Linux psutil has only the present memory.
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return round(int(line.split()[1]) / 1024, 1)


def _find_family(pids: Iterable[int]) -> set[psutil.Process]:
    family: set[psutil.Process] = set()
    for pid in pids:
        with suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            family.update([process, *process.children(recursive=True)])
    return family


def _read_cpu_seconds(process: psutil.Process) -> float:
    """Zero for a process that has ended meanwhile."""
    with suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        return times.user + times.system + times.children_user + times.children_system
    return 0.0
