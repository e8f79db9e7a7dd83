"""One owner at a time of a data folder; the kernel lets go of it when the owner dies."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import time
from pathlib import Path

from pipeline.errors import AlreadyUp


class Lock:
    """A lock on a folder, and in it the number of the process that owns it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / "lock"
        self._descriptor: int | None = None

    def take(self) -> None:
        """Raises AlreadyUp, naming the owner."""
        descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise AlreadyUp(
                f"already up: process {self._read_owner()} runs what is in {self._folder}; "
                "`make down` ends it"
            ) from None
        os.truncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        self._descriptor = descriptor

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def take_over(self, grace_seconds: float) -> int | None:
        """Ask the owner to end, after `grace_seconds` seconds make it; returns who it was, if any."""
        deadline = time.monotonic() + grace_seconds
        asked = None
        while (owner := self._try_to_take()) is not None:
            if owner != asked or time.monotonic() > deadline:
                late = time.monotonic() > deadline
                with contextlib.suppress(ProcessLookupError):
                    os.kill(owner, signal.SIGKILL if late else signal.SIGTERM)
                asked = owner
            time.sleep(0.05)
        return asked

    def _try_to_take(self) -> int | None:
        """None: the lock is ours now; else its owner."""
        try:
            self.take()
        except AlreadyUp:
            return self._read_owner()
        return None

    def _read_owner(self) -> int | None:
        with contextlib.suppress(OSError, ValueError):
            return int(self._file.read_text())
        return None
