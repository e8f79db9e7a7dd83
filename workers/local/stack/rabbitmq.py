"""A private RabbitMQ node with an epmd of its own."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

from workers.local.child import Child
from workers.local.stack.server import HOST, USER, Place, answers, free_ports

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
    """No plugins, loopback only, its own node name, cookie, ports and Mnesia folder.

    RabbitMQ would start a daemon epmd that outlives it. Ours is there first, in the foreground and
    on a port of its own, so it ends with us.
    """

    def __init__(self, programs: Path, place: Place) -> None:
        self.port, self._distribution, self._epmd = free_ports(3)
        self._programs = programs
        self._place = place
        self._configuration = place.folder / "rabbitmq.conf"
        self._environment = self._variables()
        self.url = f"amqp://{USER}:{place.password}@{HOST}:{self.port}/%2F"
        epmd = [shutil.which("epmd") or "epmd", "-port", str(self._epmd), "-address", HOST]
        self.children = [
            self._child("epmd", epmd, signal.SIGKILL),
            self._child("rabbitmq", [str(programs / "rabbitmq-server")], signal.SIGTERM),
        ]

    def _child(self, name: str, command: list[str], farewell: signal.Signals) -> Child:
        return Child(
            name,
            self._place.account.run_as(command),
            pids=self._place.pids,
            environment=self._environment,
            output=self._place.log,
            folder=self._place.folder,
            farewell=farewell,
        )

    def _variables(self) -> dict[str, str]:
        folder = self._place.folder
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

    def prepare(self) -> None:
        text = _CONFIGURATION.format(
            host=HOST, port=self.port, user=USER, password=self._place.password
        )
        self._place.account.write(self._configuration, text)
        self._place.account.write(self._place.folder / "enabled_plugins", "[].\n")

    def ready(self) -> bool:
        return answers(self.port, _GREETING, _START)

    def control(self, *arguments: str) -> None:
        """Run rabbitmqctl; ServerFailed with what it said."""
        command = [str(self._programs / "rabbitmqctl"), "--node", _NODE, *arguments]
        self._place.run(command, self._environment)
