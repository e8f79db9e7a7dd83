"""A private RabbitMQ node with its own epmd."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

from workers.local.child import Child
from workers.local.stack.server import HOST, USER, ServerFiles, find_free_ports, is_answering

_CONFIGURATION = """
listeners.tcp.1 = {host}:{port}
default_user = {user}
default_pass = {password}
log.console = true
log.console.level = warning
log.file = false
"""
_NODE = "spendline@localhost"
_GREETING = b"AMQP\x00\x00\x09\x01"
_START = b"\x01\x00\x00"  # a method frame of channel 0: Connection.Start


class RabbitMQ:
    """A node without plugins on loopback, with its own name, cookie, ports and Mnesia folder.

    RabbitMQ would start a daemon epmd that outlives it. Our epmd starts first, as a child on its
    own port, and ends with us.
    """

    def __init__(self, programs: Path, files: ServerFiles) -> None:
        self.port, self._distribution, self._epmd = find_free_ports(3)
        self._programs = programs
        self._files = files
        self._configuration = files.folder / "rabbitmq.conf"
        self._environment = self._make_environment()
        self.url = f"amqp://{USER}:{files.password}@{HOST}:{self.port}/%2F"
        epmd = [shutil.which("epmd") or "epmd", "-port", str(self._epmd), "-address", HOST]
        self.children = [
            self._make_child("epmd", epmd, signal.SIGKILL),
            self._make_child("rabbitmq", [str(programs / "rabbitmq-server")], signal.SIGTERM),
        ]

    def _make_child(self, name: str, command: list[str], stop_signal: signal.Signals) -> Child:
        return Child(
            name,
            self._files.account.wrap_command(command),
            pids=self._files.pids,
            environment=self._environment,
            output=self._files.log,
            folder=self._files.folder,
            stop_signal=stop_signal,
        )

    def _make_environment(self) -> dict[str, str]:
        folder = self._files.folder
        return {
            "PATH": os.defpath + ":/usr/local/bin:/usr/sbin",
            "HOME": str(folder),  # where Erlang keeps its cookie
            "LC_ALL": "C.UTF-8",
            "ERL_EPMD_PORT": str(self._epmd),
            "ERL_EPMD_ADDRESS": HOST,
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_CONFIG_FILE": str(self._configuration.with_suffix("")),
            "RABBITMQ_NODENAME": _NODE,
            "RABBITMQ_DIST_PORT": str(self._distribution),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "logs"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            # Makes the script become the Erlang machine instead of its parent.
            "RUNNING_UNDER_SYSTEMD": "true",
        }

    def prepare_files(self) -> None:
        """Write the configuration and the empty list of plugins."""
        text = _CONFIGURATION.format(
            host=HOST, port=self.port, user=USER, password=self._files.password
        )
        self._files.account.write_file(self._configuration, text)
        self._files.account.write_file(self._files.folder / "enabled_plugins", "[].\n")

    def is_ready(self) -> bool:
        """Whether it answers the AMQP greeting."""
        return is_answering(self.port, _GREETING, _START)

    def run_control(self, *arguments: str) -> None:
        """Run rabbitmqctl. Raises ServerFailed with its output."""
        command = [str(self._programs / "rabbitmqctl"), "--node", _NODE, *arguments]
        self._files.run_program(command, self._environment)
