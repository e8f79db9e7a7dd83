"""What processes have cost so far, as the kernel counts it."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time of these processes, their descendants, and those they have reaped."""
    children = defaultdict(list)
    spent: dict[int, float] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, _, rest = stat.read_text().partition(" (")
        except OSError:
            continue
        fields = rest.rpartition(") ")[2].split()
        children[int(fields[1])].append(int(pid))
        spent[int(pid)] = sum(map(int, fields[11:15])) / _TICK
    return sum(spent.get(pid, 0.0) for pid in _family(pids, children))


def peak_megabytes(pid: int) -> float:
    """The largest resident memory that one process has had."""
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return round(int(line.split()[1]) / 1024, 1)


def _family(pids: Iterable[int], children: dict[int, list[int]]) -> set[int]:
    family, waiting = set[int](), list(pids)
    while waiting:
        pid = waiting.pop()
        if pid not in family:
            family.add(pid)
            waiting.extend(children[pid])
    return family
