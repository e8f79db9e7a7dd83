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
from workers.local.stack.account import ServerAccount

HOST = "127.0.0.1"
USER = "spendline"

# Below the ephemeral range, so that no outgoing connection takes a port before its server does.
_PORTS = range(20_000, 32_000)


class ServerFiles(NamedTuple):
    """Where one server lives: a folder that is the account's, a log and pid files that are ours."""

    folder: Path
    account: ServerAccount
    log: Path
    pids: Path
    password: str

    def run_program(self, command: list[str], environment: dict[str, str], stdin: str = "") -> None:
        """Run a helper as the account to its end; ServerFailed with its last words."""
        done = subprocess.run(  # noqa: S603 - commands are ours
            self.account.wrap_command(command),
            env=environment,
            input=stdin,
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

    def prepare_files(self) -> None:
        """Make what the first start needs."""

    def ready(self) -> bool:
        """Whether it answers clients now."""


def free_ports(count: int) -> list[int]:
    """Ports of loopback that nothing listens on."""
    with ExitStack() as held:
        ports: list[int] = []
        while len(ports) < count:
            port = random.choice(_PORTS)  # noqa: S311 - no secret
            if port not in ports and _can_bind(held.enter_context(socket.socket()), port):
                ports.append(port)
        return ports


def _can_bind(probe: socket.socket, port: int) -> bool:
    try:
        probe.bind((HOST, port))
    except OSError:
        return False
    return True


def is_answering(port: int, stdin: bytes, expected: bytes) -> bool:
    """Whether a server answers `stdin` with something that starts with `expected`, within 1 s."""
    try:
        with socket.create_connection((HOST, port), timeout=1) as connection:
            connection.sendall(stdin)
            return connection.recv(len(expected)) == expected
    except OSError:
        return False
