"""Starts, watches, restarts and ends the processes of a whole system on one machine.

    with System(settings, folder) as system:
        system.start_process("api-1", API)
        system.start_process("worker-1", WORKERS)
        system.wait_until_ready()
        while serving:
            system.restart_ended()

One thread owns a System: the children die with that thread, even when it is killed. Their output
goes to `<folder>/<name>.log`.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from typing import Self

from pika.exceptions import AMQPError

from pipeline.errors import ServerFailed
from pipeline.queue.connection import open_blocking_connection
from pipeline.queue.topology import Queues
from pipeline.settings import Settings
from workers.local.child import Child
from workers.local.lock import FolderLock
from workers.local.pid_files import end_survivors

API = "api"
WORKERS = "workers"
STOP_SECONDS = 35.0  # a worker drains for 30
_READY_SECONDS = 300.0  # the first worker of a checkout compiles the categorizer
_STEADY_SECONDS = 10.0  # a process that ran this long restarts without a pause
_MAX_PAUSE_SECONDS = 30.0


@dataclass(slots=True)
class SupervisedProcess:
    """A child that must run, and its history."""

    child: Child
    module: str
    log: Path
    started: float
    pause: float = 0.0  # seconds to wait before the next restart
    bytes_read: int = 0  # bytes of the log that were read


class System:
    """Children by name, each `python -m MODULE` under the same settings."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings = settings
        self.folder = folder
        self._processes: dict[str, SupervisedProcess] = {}
        self._lock = FolderLock(folder)

    def __enter__(self) -> Self:
        """Take the folder. Raises AlreadyUp when another System has it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock.acquire()
        end_survivors(self.folder / "pids")
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def start_process(self, name: str, module: str, *arguments: str) -> Child:
        """Start `python -m module arguments`; `restart_ended` restarts it after its end."""
        log = self.folder / f"{name}.log"
        log.unlink(missing_ok=True)
        child = Child(
            name,
            [sys.executable, "-m", module, *arguments],
            pids=self.folder / "pids",
            environment=self.settings.make_child_environment(),
            output=log,
        )
        child.start()
        self._processes[name] = SupervisedProcess(child, module, log, time.monotonic())
        return child

    def get_child(self, name: str) -> Child:
        """The process of this name."""
        return self._processes[name].child

    def stop_process(self, name: str) -> int | None:
        """Stop one child for good, and return its exit status."""
        return self._processes.pop(name).child.stop(STOP_SECONDS)

    def kill_process(self, name: str) -> None:
        """Kill one child, as a crash would; the next `restart_ended` restarts it."""
        self._processes[name].child.kill()

    def restart_ended(self) -> list[str]:
        """Restart the children that have ended, and return their names.

        The pauses grow for a child that ends soon after its start.
        """
        return [name for name, process in self._processes.items() if _restart_if_ended(process)]

    def read_new_lines(self) -> Iterator[tuple[str, str]]:
        """Pairs of name and line that the children have written since the last call."""
        for name, process in self._processes.items():
            for line in _read_new_lines(process):
                yield name, line

    def wait_until_ready(self, seconds: float = _READY_SECONDS) -> None:
        """Wait until the API is ready and every other child consumes the ingest queue.

        Raises ServerFailed with the end of the log of a child that did not start.
        """
        deadline = time.monotonic() + seconds
        while not self.is_ready():
            for name, process in self._processes.items():
                if not process.child.is_alive:
                    raise ServerFailed(f"{name} did not start:\n{_read_log_end(process.log)}")
            if time.monotonic() > deadline:
                raise ServerFailed(f"not ready after {seconds:.0f} s; see {self.folder}")
            time.sleep(0.05)

    def is_ready(self) -> bool:
        """Whether the API is ready and every other child consumes the ingest queue."""
        modules = [process.module for process in self._processes.values()]
        consumers = len(modules) - modules.count(API)
        return (API not in modules or _is_api_ready(self.settings)) and (
            not consumers or _count_consumers(self.settings) >= consumers
        )

    def close(self) -> None:
        """Stop all children in parallel, and kill those that do not drain in time."""
        deadline = time.monotonic() + STOP_SECONDS
        for process in self._processes.values():
            process.child.send_signal(signal.SIGTERM)
        for process in self._processes.values():
            process.child.wait_or_kill(max(0.0, deadline - time.monotonic()))
        self._lock.release()


def _is_api_ready(settings: Settings) -> bool:
    address = (settings.api_host, settings.api_port)
    with closing(HTTPConnection(*address, timeout=5)) as connection:
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == HTTPStatus.OK
        except OSError:
            return False


def _count_consumers(settings: Settings) -> int:
    """The number of consumers of the ingest queue."""
    queue = Queues(settings.queue_prefix).ingest
    try:
        with open_blocking_connection(settings.broker_url) as connection:
            declared = connection.channel().queue_declare(queue, passive=True)
            return int(declared.method.consumer_count)
    except (AMQPError, OSError):
        return 0


def _restart_if_ended(process: SupervisedProcess) -> bool:
    if process.child.is_alive:
        return False
    now = time.monotonic()
    if now - process.started > _STEADY_SECONDS + process.pause:
        process.pause = 0.0
    if now < process.started + process.pause:
        return False
    process.child.kill()
    process.child.start()
    process.started = now
    process.pause = min(max(1.0, 2 * process.pause), _MAX_PAUSE_SECONDS)
    return True


def _read_new_lines(process: SupervisedProcess) -> list[str]:
    """Read whole lines; an unfinished line waits for the next call."""
    with process.log.open("rb") as log:
        log.seek(process.bytes_read)
        whole, newline, _ = log.read().rpartition(b"\n")
    process.bytes_read += len(whole) + len(newline)
    return whole.decode(errors="replace").splitlines()


def _read_log_end(log: Path) -> str:
    return log.read_text(errors="replace")[-800:].strip()
