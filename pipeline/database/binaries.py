"""Where the servers' programs are, and what to type where they are not."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import NamedTuple

SERVERS = ("postgres", "rabbitmq", "redis")
PACKAGES = {
    "postgres": "postgresql",
    "rabbitmq": "rabbitmq-server",
    "redis": "redis-server",
    "prometheus": "prometheus",  # for the tests of alerts and dashboards
    "curl": "curl",  # for the test of the README
}
OLDEST_POSTGRES = 15

_PATH = os.pathsep.join(("/usr/sbin", "/usr/local/sbin", "/opt/rabbitmq/sbin"))


class Program(NamedTuple):
    """A server's folder of programs, and its version where the path tells it."""

    folder: Path
    version: str = ""


def find(server: str) -> Program | None:
    """The programs of `postgres`, `rabbitmq` or `redis` on this machine."""
    return {"postgres": _postgres, "rabbitmq": _rabbitmq, "redis": _redis}[server]()


def missing(servers: tuple[str, ...]) -> list[str]:
    return [server for server in servers if find(server) is None]


def _postgres() -> Program | None:
    """The newest of Debian's side-by-side versions, else the one in the search path."""
    installed = {
        int(folder.parent.name): folder
        for folder in Path("/usr/lib/postgresql").glob("*/bin")
        if folder.parent.name.isdigit() and (folder / "initdb").exists()
    }
    newest = max(installed, default=0)
    if newest >= OLDEST_POSTGRES:
        return Program(installed[newest], str(newest))
    found = shutil.which("initdb")
    return Program(Path(found).resolve().parent) if found and not installed else None


def _rabbitmq() -> Program | None:
    """The script itself: Debian's wrapper of the same name serves only the system's user."""
    own = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
    found = str(own) if own.exists() else shutil.which("rabbitmq-server")
    found = found or shutil.which("rabbitmq-server", path=_PATH)
    needed = shutil.which("erl") and shutil.which("epmd")
    return Program(Path(found).resolve().parent) if found and needed else None


def _redis() -> Program | None:
    found = shutil.which("redis-server")
    return Program(Path(found).parent) if found else None
