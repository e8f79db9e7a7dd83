"""A private Redis: a cache that keeps nothing on disk."""

from __future__ import annotations

from pathlib import Path

from workers.local.child import Child
from workers.local.stack.server import HOST, ServerFiles, find_free_ports, is_answering

_CONFIGURATION = """
bind {host}
port {port}
requirepass {password}
dir {folder}
save ""
appendonly no
maxmemory 256mb
maxmemory-policy allkeys-lru
"""


class Redis:
    """A cache of bounded memory, which evicts the least recently used values."""

    def __init__(self, programs: Path, files: ServerFiles) -> None:
        (self.port,) = find_free_ports(1)
        self._files = files
        self._configuration = files.folder / "redis.conf"
        self.url = f"redis://:{files.password}@{HOST}:{self.port}/0"
        self.children = [
            Child(
                "redis",
                files.account.wrap_command(
                    [str(programs / "redis-server"), str(self._configuration)]
                ),
                pids=files.pids,
                environment={"PATH": "/usr/bin:/bin"},
                output=files.log,
                folder=files.folder,
            )
        ]

    def prepare_files(self) -> None:
        """Write the configuration."""
        text = _CONFIGURATION.format(
            host=HOST, port=self.port, password=self._files.password, folder=self._files.folder
        )
        self._files.account.write_file(self._configuration, text)

    def is_ready(self) -> bool:
        """Whether it accepts the password and answers PING."""
        request = f"AUTH {self._files.password}\r\nPING\r\n".encode()
        return is_answering(self.port, request, b"+OK\r\n+PONG")
