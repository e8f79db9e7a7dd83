"""What the three servers have in common: a folder, ports, a password, a child process."""

from __future__ import annotations

import random
import socket
import subprocess
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple, Protocol

from pipeline.errors import ServerFailed
from workers.local.child import Child
from workers.local.stack.account import Account

HOST = "127.0.0.1"
USER = "spendline"

# Below the ephemeral range, so that no outgoing connection takes a port before its server does.
_PORTS = range(20_000, 32_000)


class Place(NamedTuple):
    """Where one server lives: a folder that is the account's, a log and pid files that are ours."""

    folder: Path
    account: Account
    log: Path
    pids: Path
    password: str

    def run(self, command: list[str], environment: dict[str, str], say: str = "") -> None:
        """Run a helper as the account to its end; ServerFailed with its last words."""
        done = subprocess.run(  # noqa: S603 - commands are ours
            self.account.run_as(command),
            env=environment,
            input=say,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise ServerFailed(f"{Path(command[0]).name}: {(done.stderr or done.stdout)[-500:]}")


class Server(Protocol):
    """One server of a private stack."""

    children: list[Child]  # in the order of their start; the last one is the server itself
    url: str

    def prepare(self) -> None:
        """Make what the first start needs."""

    def ready(self) -> bool:
        """Whether it answers clients now."""


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nothing listens on."""
    with ExitStack() as held:
        ports: list[int] = []
        while len(ports) < count:
            port = random.choice(_PORTS)  # noqa: S311 - no secret
            if port not in ports and _binds(held.enter_context(socket.socket()), port):
                ports.append(port)
        return ports


def _binds(probe: socket.socket, port: int) -> bool:
    try:
        probe.bind((HOST, port))
    except OSError:
        return False
    return True


def answers(port: int, say: bytes, expect: bytes) -> bool:
    """Whether a server answers `say` with something that starts with `expect`, within 1 s."""
    try:
        with socket.create_connection((HOST, port), timeout=1) as connection:
            connection.sendall(say)
            return connection.recv(len(expect)) == expect
    except OSError:
        return False
