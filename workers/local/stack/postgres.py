"""A private PostgreSQL cluster."""

from __future__ import annotations

import shutil
import signal
import subprocess
from pathlib import Path

from workers.local.child import Child
from workers.local.stack.server import HOST, USER, Place, free_ports

# Durability stays as in production: a test that kills PostgreSQL must find what was committed.
# The rest is for sustained COPY: fewer checkpoints, and smaller full-page images after each; and
# for replicas that were away for a while.
_CONFIGURATION = """
listen_addresses = '{host}'
port = {port}
unix_socket_directories = ''
max_connections = 200
shared_buffers = 256MB
fsync = on
synchronous_commit = on
wal_compression = on
max_wal_size = 4GB
wal_keep_size = 256MB
checkpoint_timeout = 15min
autovacuum_naptime = 15s
timezone = 'UTC'
log_timezone = 'UTC'
logging_collector = off
"""


class Postgres:
    """Password authentication over loopback TCP, no socket file: its path could be too long."""

    def __init__(self, programs: Path, place: Place, name: str = "postgres") -> None:
        (self.port,) = free_ports(1)
        self.programs = programs
        self._place = place
        self._data = place.folder / "data"
        self._complete = place.folder / "complete"
        self._environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
        self.url = f"postgresql://{USER}:{place.password}@{HOST}:{self.port}/{USER}"
        self.children = [
            Child(
                name,
                place.account.run_as([str(programs / "postgres"), "-D", str(self._data)]),
                pids=place.pids,
                environment=self._environment,
                output=place.log,
                folder=place.folder,
                farewell=signal.SIGINT,  # disconnects clients; SIGTERM would wait for them
            )
        ]

    def prepare(self) -> None:
        if not self._complete.exists():
            self._initialize()
        text = _CONFIGURATION.format(host=HOST, port=self.port)
        self._place.account.write(self._data / "postgresql.conf", text)

    def _initialize(self) -> None:
        shutil.rmtree(self._data, ignore_errors=True)
        secret = self._place.folder / "password"
        self._place.account.write(secret, self._place.password)
        self._place.run(
            [
                *(str(self.programs / "initdb"), "-D", str(self._data), "-U", USER),
                *("--pwfile", str(secret), "--auth", "scram-sha-256", "--encoding", "UTF8"),
                *("--locale", "C.UTF-8", "--no-instructions"),
            ],
            self._environment,
        )
        secret.unlink()
        alone = [str(self.programs / "postgres"), "--single", "-D", str(self._data), "postgres"]
        self._place.run(alone, self._environment, f"CREATE DATABASE {USER}\n")
        self._place.account.write(self._complete, "")

    def ready(self) -> bool:
        probe = [str(self.programs / "pg_isready"), "-q", "-h", HOST, "-p", str(self.port)]
        return subprocess.run(probe, check=False).returncode == 0  # noqa: S603 - ours
