"""Where the servers' programs are, and what to type where they are not."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from pipeline.database.programs import Program, find_postgres

SERVERS = ("postgres", "rabbitmq", "redis")
PACKAGES = {
    "postgres": "postgresql",
    "rabbitmq": "rabbitmq-server",
    "redis": "redis-server",
    "prometheus": "prometheus",  # for the tests of alerts and dashboards
    "curl": "curl",  # for the test of the README
}

_PATH = os.pathsep.join(("/usr/sbin", "/usr/local/sbin", "/opt/rabbitmq/sbin"))


def find(server: str) -> Program | None:
    """The programs of `postgres`, `rabbitmq` or `redis` on this machine."""
    return {"postgres": find_postgres, "rabbitmq": _rabbitmq, "redis": _redis}[server]()


def missing(servers: tuple[str, ...]) -> list[str]:
    return [server for server in servers if find(server) is None]


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
