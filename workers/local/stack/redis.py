"""A private Redis: a cache that keeps nothing on disk."""

from __future__ import annotations

from pathlib import Path

from workers.local.child import Child
from workers.local.stack.server import HOST, Place, answers, free_ports

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
    """Bounded memory: the least used values make room, as a cache should."""

    def __init__(self, programs: Path, place: Place) -> None:
        (self.port,) = free_ports(1)
        self._place = place
        self._configuration = place.folder / "redis.conf"
        self.url = f"redis://:{place.password}@{HOST}:{self.port}/0"
        self.children = [
            Child(
                "redis",
                place.account.run_as([str(programs / "redis-server"), str(self._configuration)]),
                pids=place.pids,
                environment={"PATH": "/usr/bin:/bin"},
                output=place.log,
                folder=place.folder,
            )
        ]

    def prepare(self) -> None:
        text = _CONFIGURATION.format(
            host=HOST, port=self.port, password=self._place.password, folder=self._place.folder
        )
        self._place.account.write(self._configuration, text)

    def ready(self) -> bool:
        say = f"AUTH {self._place.password}\r\nPING\r\n".encode()
        return answers(self.port, say, b"+OK\r\n+PONG")
