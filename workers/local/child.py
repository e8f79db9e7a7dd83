"""A child process that cannot outlive the thread that started it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from signal import Signals

from workers.local.pid_files import identify_process


class Child:
    """One command in its own session, so that a Ctrl-C of the terminal does not reach it.

    The kernel sends it `stop_signal` when the thread that started it ends. Its output is appended
    to `output`. Its working directory is `folder`, else that of this process.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        pids: Path,
        environment: Mapping[str, str],
        output: Path,
        folder: Path | None = None,
        stop_signal: Signals = signal.SIGTERM,
    ) -> None:
        self.name = name
        self.command = list(command)
        self.environment = dict(environment)
        self.stop_signal = stop_signal
        self.process: subprocess.Popen[bytes] | None = None
        self._output = output
        self._folder = folder
        self._pid_file = pids / f"{name}.pid"

    def start(self) -> None:
        """Start the process and write its pid file."""
        binding = ["setpriv", "--pdeathsig", self.stop_signal.name.removeprefix("SIG"), "--"]
        with self._output.open("ab") as output:
            self.process = subprocess.Popen(  # noqa: S603 - commands are ours
                _merge_commands(binding, self.command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self.environment,
                cwd=self._folder,
                start_new_session=True,
            )
        self._pid_file.parent.mkdir(parents=True, exist_ok=True)
        self._pid_file.write_text(f"{self.process.pid} {identify_process(self.process.pid)}")

    @property
    def is_alive(self) -> bool:
        """Whether the process has started and not ended."""
        return self.process is not None and self.process.poll() is None

    def send_signal(self, number: Signals) -> None:
        """Send a signal to the process itself; an ended process gets none."""
        if self.process is not None:
            self.process.send_signal(number)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the exit status. Raises subprocess.TimeoutExpired after `timeout` seconds."""
        if self.process is None:
            raise ProcessLookupError(f"{self.name} was never started")
        return self.process.wait(timeout)

    def stop(self, grace_seconds: float) -> int | None:
        """Send `stop_signal`, kill the process after the grace time, and return its exit status."""
        self.send_signal(self.stop_signal)
        return self.wait_or_kill(grace_seconds)

    def wait_or_kill(self, grace_seconds: float) -> int | None:
        """Wait for the end, kill the process after the grace time, and return its exit status."""
        if self.process is None:
            return None
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(grace_seconds)
        return self.kill()

    def kill(self) -> int | None:
        """Kill the process with its group, and return its exit status."""
        if self.process is None:
            return None
        if self.process.poll() is None:  # a reaped process's id can belong to another process
            os.killpg(self.process.pid, signal.SIGKILL)
        status = self.process.wait()
        self._pid_file.unlink(missing_ok=True)
        return status


def _merge_commands(binding: list[str], command: list[str]) -> list[str]:
    """Run setpriv once: a second one that changes the user would clear the parent-death signal."""
    if command[0] == "setpriv":
        return [*binding[:-1], *command[1:]]
    return binding + command
