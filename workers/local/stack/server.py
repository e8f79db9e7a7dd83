"""What the private servers have in common: files, ports, a password and child processes."""

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

# They are below the ephemeral range, so that no outgoing connection takes a server's port.
_PORTS = range(20_000, 32_000)


class ServerFiles(NamedTuple):
    """The files of one server: its folder belongs to the account, its log and pid files to us."""

    folder: Path
    account: ServerAccount
    log: Path
    pids: Path
    password: str

    def run_program(self, command: list[str], environment: dict[str, str], stdin: str = "") -> None:
        """Run a program as the account. Raises ServerFailed with the end of its output."""
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
        """Write the files that a start needs."""

    def is_ready(self) -> bool:
        """Whether it answers clients now."""


def find_free_ports(count: int) -> list[int]:
    """Loopback ports on which nothing listens."""
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


def is_answering(port: int, request: bytes, expected: bytes) -> bool:
    """Whether a server answers the request with the expected bytes within a second."""
    try:
        with socket.create_connection((HOST, port), timeout=1) as connection:
            connection.sendall(request)
            return connection.recv(len(expected)) == expected
    except OSError:
        return False
