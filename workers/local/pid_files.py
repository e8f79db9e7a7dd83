"""Files that name running children, by which a later run ends the survivors of a crash."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from signal import Signals

_BOOT = Path("/proc/sys/kernel/random/boot_id")


def identify_process(pid: int) -> str:
    """What distinguishes this process from a later one with its id; empty when it has ended."""
    # psutil's creation time follows the wall clock, whose corrections would disown a process.
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    ended = fields[0] in "ZX"
    return "" if ended else f"{_BOOT.read_text().strip()}/{fields[19]}"


def end_survivors(pids: Path, grace_seconds: float = 10.0) -> list[str]:
    """End every process that the pid files of a folder name, and return the names.

    Files of ended processes, and of ids that now belong to other processes, are only removed.
    """
    survivors = {file: pid for file in sorted(pids.glob("*.pid")) if (pid := _read_survivor(file))}
    for pid in survivors.values():
        _signal_group(pid, signal.SIGTERM)
    _wait_for_end(survivors, time.monotonic() + grace_seconds)
    for file, pid in survivors.items():
        if _read_survivor(file):
            _signal_group(pid, signal.SIGKILL)
    for file in pids.glob("*.pid"):
        file.unlink(missing_ok=True)
    return [file.stem for file in survivors]


def _read_survivor(file: Path) -> int:
    """The process id in a pid file; 0 when that process has ended."""
    pid, _, born = file.read_text().partition(" ")
    return int(pid) if pid.isdigit() and born and identify_process(int(pid)) == born else 0


def _signal_group(pid: int, number: Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGCONT)
        os.killpg(pid, number)


def _wait_for_end(survivors: Mapping[Path, int], deadline: float) -> None:
    while any(map(_read_survivor, survivors)) and time.monotonic() < deadline:
        time.sleep(0.05)
