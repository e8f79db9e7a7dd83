"""Stop a running system, and processes that a crash has left behind."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import click

from pipeline.errors import AlreadyUp
from pipeline.settings import Settings
from workers.local.lock import FolderLock
from workers.local.pid_files import end_survivors

_SECONDS = 40.0  # seconds; a draining worker takes 30


@click.command()
def command() -> None:
    """Stop the system on this machine, and processes that a crash has left behind.

    The command stops only processes that the pid files of the data folder name. It keeps the data,
    removes that of ended test runs, and leaves a running test run alone.
    """
    ended = []
    for lock in sorted(Path(Settings.from_environment().data_folder).glob("*/lock")):
        folder = lock.parent
        ended += _clean_test_run(folder) if folder.name.startswith("test-") else _end_system(folder)
    click.echo(f"ended: {', '.join(ended)}" if ended else "nothing was running")


def _end_system(folder: Path) -> list[str]:
    lock = FolderLock(folder)
    owner = lock.take_over(_SECONDS)
    ended = end_survivors(folder / "pids")
    lock.release()
    return ([f"process {owner}"] if owner else []) + ended


def _clean_test_run(folder: Path) -> list[str]:
    lock = FolderLock(folder)
    with contextlib.suppress(AlreadyUp):
        lock.acquire()
        ended = end_survivors(folder / "pids")
        shutil.rmtree(folder.resolve())
        folder.unlink(missing_ok=True)
        lock.release()
        return ended
    return []
