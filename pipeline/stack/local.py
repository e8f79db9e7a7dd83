"""Starts and ends a private stack."""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from pipeline.errors import AlreadyUp, ServerFailed, ServersMissing
from pipeline.stack import child
from pipeline.stack.account import Account, reachable, server_account
from pipeline.stack.binaries import PACKAGES, SERVERS, find, missing
from pipeline.stack.child import Child
from pipeline.stack.postgres import Postgres
from pipeline.stack.rabbitmq import RabbitMQ
from pipeline.stack.redis import Redis
from pipeline.stack.server import Place, Server

# RabbitMQ takes longest to boot: it goes first, and the others are made ready meanwhile.
_KINDS: dict[str, Callable[[Path, Place], Server]] = {
    "rabbitmq": RabbitMQ,
    "postgres": Postgres,
    "redis": Redis,
}
_START_SECONDS = 90.0
_STOP_SECONDS = 15.0


class ServerUrls(NamedTuple):
    """Where the three servers are; they contain passwords."""

    database: str
    broker: str
    redis: str


class LocalStack:
    """The servers named by `only`, in a folder that one stack at a time may use.

    What the folder holds survives the end, unless `keep` is false. Raises AlreadyUp, ServersMissing
    and ServerFailed on entering; nothing is left running then.
    """

    def __init__(
        self,
        folder: Path,
        *,
        only: tuple[str, ...] = SERVERS,
        keep: bool = True,
        say: Callable[[str], None] = print,
    ) -> None:
        self._only = only
        self._keep = keep
        self._say = say
        self._account = server_account()
        self.folder = reachable(folder.absolute(), self._account)
        if self.folder != folder.absolute():
            say(
                f"stack: {self._account.name} cannot enter {folder}, so the data is in {self.folder}"
            )
        self._pids = self.folder / "pids"
        self._lock = Lock(self.folder / "lock")
        self.servers: dict[str, Server] = {}

    def __enter__(self) -> ServerUrls:
        if absent := missing(self._only):
            packages = " ".join(PACKAGES[server] for server in absent)
            raise ServersMissing(f"{', '.join(absent)} not found: apt-get install {packages}")
        self._open_folder()
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self.urls

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def urls(self) -> ServerUrls:
        """The URLs; empty for a server that is not part of this stack."""
        found = {name: server.url for name, server in self.servers.items()}
        return ServerUrls(*(found.get(name, "") for name in SERVERS))

    def close(self) -> None:
        """End all servers at once, then what helped them, and let go of the folder."""
        for name in self.servers:
            self.process(name).signal(self.process(name).farewell)
        deadline = time.monotonic() + _STOP_SECONDS
        for name, server in self.servers.items():
            self.process(name).end(max(0.0, deadline - time.monotonic()))
            for helper in server.children[:-1]:
                helper.kill()
        if not self._keep:
            shutil.rmtree(self.folder, ignore_errors=True)
        self._lock.release()

    def stop(self, name: str) -> None:
        """End one server in good order."""
        self.servers[name].children[-1].stop(_STOP_SECONDS)

    def kill(self, name: str) -> None:
        """End one server at once, as a crash would."""
        self.servers[name].children[-1].kill()

    def start(self, name: str) -> None:
        """Start one server that has ended, at its old address, and wait until it answers."""
        self.process(name).start()
        self._wait({name: self.servers[name]})

    def process(self, name: str) -> Child:
        """The process of one server."""
        return self.servers[name].children[-1]

    def dead(self) -> list[str]:
        """The servers that have ended by themselves."""
        return [name for name in self.servers if not self.process(name).alive]

    def _open_folder(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.folder.chmod(0o711)  # the account passes through to its own folders
        self._lock.take()
        if left := child.clear(self._pids):
            self._say(f"stack: ended what a crash had left: {', '.join(left)}")

    def _start(self) -> None:
        began = time.monotonic()
        password = _password(self.folder / "password")
        for name in (name for name in _KINDS if name in self._only):
            self.servers[name] = self._server(name, password)
        for server in self.servers.values():
            server.prepare()
            for process in server.children:
                process.start()
        self._wait(self.servers)
        names = ", ".join(self.servers)
        self._say(f"stack: {names} ready in {time.monotonic() - began:.1f} s in {self.folder}")

    def _server(self, name: str, password: str) -> Server:
        program = find(name)
        if program is None:
            raise ServersMissing(f"{name} not found")
        folder = self.folder / name
        self._account.make_folder(folder)
        place = Place(folder, self._account, self.folder / f"{name}.log", self._pids, password)
        return _KINDS[name](program.folder, place)

    def _wait(self, servers: dict[str, Server]) -> None:
        deadline = time.monotonic() + _START_SECONDS
        waiting = dict(servers)
        while waiting:
            for name in waiting:
                self._check(name, deadline)
            waiting = {name: server for name, server in waiting.items() if not server.ready()}
            time.sleep(0.05)

    def _check(self, name: str, deadline: float) -> None:
        if self.process(name).alive and time.monotonic() < deadline:
            return
        log = self.folder / f"{name}.log"
        words = log.read_text(errors="replace")[-800:].strip()
        raise ServerFailed(f"{name} did not start; the end of {log}:\n{words}")


class Lock:
    """One stack at a time in a folder; the kernel lets go of it with its owner's death."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._descriptor: int | None = None

    def take(self) -> None:
        """Raises AlreadyUp, naming the owner."""
        descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise AlreadyUp(
                f"already up: process {self.owner()} runs the stack of {self._file.parent}; "
                "`make down` ends it"
            ) from None
        os.truncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        self._descriptor = descriptor

    def owner(self) -> int | None:
        """The process that holds the lock, or held it last."""
        with contextlib.suppress(OSError, ValueError):
            return int(self._file.read_text())
        return None

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _password(file: Path) -> str:
    """Made once per folder, since the servers' data remember it."""
    if not file.exists():
        Account("", os.geteuid(), os.getegid()).write(file, secrets.token_hex(16))
    return file.read_text()
