"""The programs of the servers on this machine, and the packages that contain them."""

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


def find_programs(server: str) -> Program | None:
    """Find the programs of `postgres`, `rabbitmq` or `redis`; None when they are missing."""
    return {"postgres": find_postgres, "rabbitmq": _find_rabbitmq, "redis": _find_redis}[server]()


def list_missing(servers: tuple[str, ...]) -> list[str]:
    return [server for server in servers if find_programs(server) is None]


def _find_rabbitmq() -> Program | None:
    """Find the script itself, because Debian's wrapper serves only the system's user."""
    own = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")
    path = str(own) if own.exists() else shutil.which("rabbitmq-server")
    path = path or shutil.which("rabbitmq-server", path=_PATH)
    needed = shutil.which("erl") and shutil.which("epmd")
    return Program(Path(path).resolve().parent) if path and needed else None


def _find_redis() -> Program | None:
    path = shutil.which("redis-server")
    return Program(Path(path).parent) if path else None
