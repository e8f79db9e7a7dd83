"""Importing a module does nothing: no socket, no thread, no file, no change to a library."""

from __future__ import annotations

import os
import subprocess
import sys

ROOMS = ("pipeline", "categorizer", "models", "api", "workers", "client")

IMPORT_ALL = """
import os, pkgutil, sys
from importlib import import_module

FORBIDDEN = (
    "socket.connect", "socket.bind", "_thread.start_new_thread", "subprocess.Popen", "os.mkdir",
    "os.rename", "os.remove", "tempfile.mkstemp", "tempfile.mkdtemp",
)

def forbid(event, values):
    writes = event == "open" and isinstance(values[2], int) and values[2] & (os.O_WRONLY | os.O_RDWR)
    if (event in FORBIDDEN or writes) and values[0] != os.devnull:
        seen.append(f"{now} {event} {values[:2]}")

seen, now = [], ""
sys.addaudithook(forbid)
for room in sys.argv[1:]:
    for module in pkgutil.walk_packages(import_module(room).__path__, f"{room}."):
        if not module.name.endswith("__main__"):
            now = module.name
            import_module(now)
now = ""
import numba
assert not seen, seen
assert not numba.config.CACHE_DIR, numba.config.CACHE_DIR
assert "categorizer.kernels.scores" in sys.modules
"""


def test_importing_every_module_opens_no_socket_starts_no_thread_and_writes_no_file() -> None:
    # Given a fresh interpreter that keeps no byte code
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("SPENDLINE", "NUMBA"))}
    # When it imports every module
    done = subprocess.run(
        [sys.executable, "-B", "-c", IMPORT_ALL, *ROOMS],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )
    # Then nothing forbidden has happened
    assert done.returncode == 0, done.stderr
