"""A lock that gives a data folder one owner; the kernel releases it when the owner dies."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import time
from pathlib import Path

from pipeline.errors import AlreadyUp


class FolderLock:
    """A lock file in a folder, which contains the process id of the owner."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._file = folder / "lock"
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock. Raises AlreadyUp with the process id of the owner."""
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
        """Release the lock, if it is ours."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def take_over(self, grace_seconds: float) -> int | None:
        """End the owner, by force after the grace time, and take the lock.

        Returns the process id of the owner; None when there was none.
        """
        deadline = time.monotonic() + grace_seconds
        owner_asked = None
        while (owner := self._try_to_acquire()) is not None:
            if owner != owner_asked or time.monotonic() > deadline:
                late = time.monotonic() > deadline
                with contextlib.suppress(ProcessLookupError):
                    os.kill(owner, signal.SIGKILL if late else signal.SIGTERM)
                owner_asked = owner
            time.sleep(0.05)
        return owner_asked

    def _try_to_acquire(self) -> int | None:
        """The owner of the lock; None when it is ours now."""
        try:
            self.acquire()
        except AlreadyUp:
            return self._read_owner()
        return None

    def _read_owner(self) -> int | None:
        with contextlib.suppress(OSError, ValueError):
            return int(self._file.read_text())
        return None
