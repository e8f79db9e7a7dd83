"""End a system that is up, and whatever a crash has left running."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path

import click

from pipeline.errors import AlreadyUp
from pipeline.settings import Settings
from workers.local.lock import Lock
from workers.local.pid_files import clear

_PATIENCE = 40.0  # seconds; a draining worker takes 30


@click.command()
def command() -> None:
    """Only what the pid files of the data folder name truly is ended.

    Data stays, except that of test runs that have ended; a test run that goes on is left alone.
    """
    ended = []
    for lock in sorted(Path(Settings.from_environment().data_folder).glob("*/lock")):
        folder = lock.parent
        ended += _clean(folder) if folder.name.startswith("test-") else _end(folder)
    click.echo(f"ended: {', '.join(ended)}" if ended else "nothing was running")


def _end(folder: Path) -> list[str]:
    lock = Lock(folder)
    owner = lock.take_over(_PATIENCE)
    ended = clear(folder / "pids")
    lock.release()
    return ([f"process {owner}"] if owner else []) + ended


def _clean(folder: Path) -> list[str]:
    lock = Lock(folder)
    with contextlib.suppress(AlreadyUp):
        lock.take()
        ended = clear(folder / "pids")
        shutil.rmtree(folder.resolve())
        folder.unlink(missing_ok=True)
        lock.release()
        return ended
    return []
