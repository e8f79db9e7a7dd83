"""A private PostgreSQL cluster."""

from __future__ import annotations

import shutil
import signal
import subprocess
from pathlib import Path
from typing import Final

from pipeline.database.queries import load_queries
from workers.local.child import Child
from workers.local.stack.server import HOST, USER, ServerFiles, find_free_ports

# Durability stays as in production: a test that kills PostgreSQL must find what was committed.
# Fewer checkpoints and compressed full-page images serve sustained COPY; wal_keep_size serves
# replicas that were away for a while.
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


_SQL: Final = load_queries("workers.local.stack", "postgres")


class Postgres:
    """Listens on loopback TCP with a password. The path of a socket file could be too long."""

    def __init__(self, programs: Path, files: ServerFiles, name: str = "postgres") -> None:
        (self.port,) = find_free_ports(1)
        self.programs = programs
        self._files = files
        self._data = files.folder / "data"
        self._complete = files.folder / "complete"
        self._environment = {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"}
        self.url = f"postgresql://{USER}:{files.password}@{HOST}:{self.port}/{USER}"
        self.children = [
            Child(
                name,
                files.account.wrap_command([str(programs / "postgres"), "-D", str(self._data)]),
                pids=files.pids,
                environment=self._environment,
                output=files.log,
                folder=files.folder,
                stop_signal=signal.SIGINT,  # disconnects clients; SIGTERM would wait for them
            )
        ]

    def prepare_files(self) -> None:
        """Create the cluster unless it exists, and write its configuration."""
        if not self._complete.exists():
            self._create_cluster()
        text = _CONFIGURATION.format(host=HOST, port=self.port)
        self._files.account.write_file(self._data / "postgresql.conf", text)

    def _create_cluster(self) -> None:
        shutil.rmtree(self._data, ignore_errors=True)
        secret = self._files.folder / "password"
        self._files.account.write_file(secret, self._files.password)
        self._files.run_program(
            [
                *(str(self.programs / "initdb"), "-D", str(self._data), "-U", USER),
                *("--pwfile", str(secret), "--auth", "scram-sha-256", "--encoding", "UTF8"),
                *("--locale", "C.UTF-8", "--no-instructions"),
            ],
            self._environment,
        )
        secret.unlink()
        alone = [str(self.programs / "postgres"), "--single", "-D", str(self._data), "postgres"]
        self._files.run_program(
            alone, self._environment, _SQL["create_database"].format(name=USER) + "\n"
        )
        self._files.account.write_file(self._complete, "")

    def is_ready(self) -> bool:
        """Whether pg_isready says that it accepts connections."""
        probe = [str(self.programs / "pg_isready"), "-q", "-h", HOST, "-p", str(self.port)]
        return subprocess.run(probe, check=False).returncode == 0  # noqa: S603 - ours
