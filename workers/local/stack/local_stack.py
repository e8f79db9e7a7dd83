"""A private stack: the start, the restart and the end of its servers."""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from pipeline.errors import InvalidSettings, ServerFailed, ServersMissing
from workers.local.child import Child
from workers.local.lock import FolderLock
from workers.local.pid_files import end_survivors
from workers.local.stack.account import ServerAccount, choose_account, choose_folder
from workers.local.stack.binaries import PACKAGES, SERVERS, find_programs
from workers.local.stack.postgres import Postgres
from workers.local.stack.rabbitmq import RabbitMQ
from workers.local.stack.redis import Redis
from workers.local.stack.replica import PostgresReplica
from workers.local.stack.server import Server, ServerFiles
from workers.local.stack.server_urls import NO_URLS, ServerUrls

# RabbitMQ boots longest, so it starts first.
_KINDS: dict[str, Callable[[Path, ServerFiles], Server]] = {
    "rabbitmq": RabbitMQ,
    "postgres": Postgres,
    "redis": Redis,
}
_START_SECONDS = 90.0
_STOP_SECONDS = 15.0


class LocalStack:
    """The servers that are not `external`, in a folder that one stack at a time may use.

    The folder stays afterwards, unless `keep` is false. Entering raises AlreadyUp, ServersMissing
    and ServerFailed, and then leaves nothing running.
    """

    def __init__(
        self,
        folder: Path,
        *,
        external: ServerUrls = NO_URLS,
        keep: bool = True,
        say: Callable[[str], None] = print,
    ) -> None:
        self._external = dict(zip(SERVERS, external, strict=True))
        self._needed = tuple(name for name in _KINDS if not self._external[name])
        self._keep = keep
        self._say = say
        self._account = choose_account()
        self._wanted = folder.absolute()
        self.folder = choose_folder(self._wanted, self._account)
        self._pids = self.folder / "pids"
        self._lock = FolderLock(self.folder)
        self.servers: dict[str, Server] = {}

    def __enter__(self) -> ServerUrls:
        if not self._needed:
            return self.urls
        self._open_folder()
        try:
            self._start_servers()
        except BaseException:
            self.close()
            raise
        return self.urls

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def urls(self) -> ServerUrls:
        """The URLs of all servers, external and private."""
        own = {name: server.url for name, server in self.servers.items()}
        merged = self._external | own
        return ServerUrls(*(merged[name] for name in SERVERS))

    def close(self) -> None:
        """Stop all servers in parallel, then their helper processes, and release the folder."""
        for name in self.servers:
            self.get_process(name).send_signal(self.get_process(name).stop_signal)
        deadline = time.monotonic() + _STOP_SECONDS
        for name, server in self.servers.items():
            self.get_process(name).wait_or_kill(max(0.0, deadline - time.monotonic()))
            for helper in server.children[:-1]:
                helper.kill()
        if self._needed and not self._keep:
            self._remove_folder()
        self._lock.release()

    def _remove_folder(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        if self._wanted.is_symlink():
            self._wanted.unlink()

    def start_replica(self) -> str:
        """Start one more streaming replica of our PostgreSQL, and return its URL."""
        primary = self.servers.get("postgres")
        if not isinstance(primary, Postgres):
            raise InvalidSettings(
                "a private replica needs a private PostgreSQL: unset SPENDLINE_DATABASE_URL"
            )
        name = f"replica-{sum(isinstance(s, PostgresReplica) for s in self.servers.values()) + 1}"
        replica = PostgresReplica(primary.programs, self._make_files(name), name, primary)
        replica.prepare_files()
        self.servers[name] = replica
        self.start_server(name)
        return replica.url

    def stop_server(self, name: str) -> None:
        """Stop one server in good order."""
        self.servers[name].children[-1].stop(_STOP_SECONDS)

    def kill_server(self, name: str) -> None:
        """Kill one server, as a crash would."""
        self.servers[name].children[-1].kill()

    def start_server(self, name: str) -> None:
        """Start an ended server at its old address, and wait until it answers."""
        self.get_process(name).start()
        self._wait_until_ready({name: self.servers[name]})

    def get_process(self, name: str) -> Child:
        """The process of one server."""
        return self.servers[name].children[-1]

    def restart_ended(self) -> list[str]:
        """Restart the servers that have ended, at their old addresses, and return their names."""
        ended = [name for name in self.servers if not self.get_process(name).is_alive]
        for name in ended:
            self.get_process(name).kill()
            self.start_server(name)
        return ended

    def _open_folder(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o711)  # the account must pass to its own folders
        if self.folder != self._wanted and not self._wanted.is_symlink():
            self._wanted.parent.mkdir(parents=True, exist_ok=True)
            self._wanted.symlink_to(self.folder)  # `down` looks there
            name = self._account.name
            self._say(f"stack: {name} cannot enter {self._wanted.parent}: data in {self.folder}")
        self._lock.acquire()
        if survivors := end_survivors(self._pids):
            self._say(f"stack: ended what a crash had left: {', '.join(survivors)}")

    def _start_servers(self) -> None:
        began = time.monotonic()
        for name in self._needed:
            self.servers[name] = self._make_server(name)
        for server in self.servers.values():
            server.prepare_files()
            for process in server.children:
                process.start()
        self._wait_until_ready(self.servers)
        names = ", ".join(self.servers)
        self._say(f"stack: {names} ready in {time.monotonic() - began:.1f} s in {self.folder}")

    def _make_server(self, name: str) -> Server:
        program = find_programs(name)
        if program is None:
            raise ServersMissing(f"{name} not found: apt-get install {PACKAGES[name]}")
        return _KINDS[name](program.folder, self._make_files(name))

    def _make_files(self, name: str) -> ServerFiles:
        folder = self.folder / name
        self._account.make_folder(folder)
        password = _read_password(self.folder / "password")
        return ServerFiles(folder, self._account, self.folder / f"{name}.log", self._pids, password)

    def _wait_until_ready(self, servers: dict[str, Server]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        waiting = dict(servers)
        while waiting:
            for name in waiting:
                self._require_starting(name, deadline)
            waiting = {name: server for name, server in waiting.items() if not server.is_ready()}
            time.sleep(0.05)

    def _require_starting(self, name: str, deadline: float) -> None:
        if self.get_process(name).is_alive and time.monotonic() < deadline:
            return
        log = self.folder / f"{name}.log"
        words = log.read_text(errors="replace")[-800:].strip()
        raise ServerFailed(f"{name} did not start; the end of {log}:\n{words}")


def _read_password(file: Path) -> str:
    """Read the password of a folder. It is created once, because the servers' data contain it."""
    if not file.exists():
        ServerAccount("", os.geteuid(), os.getegid()).write_file(file, secrets.token_hex(16))
    return file.read_text()
