"""Run one worker process until SIGTERM."""

from __future__ import annotations

import os
import sys

import click


@click.command()
def command() -> None:
    """Categorize and store chunks until SIGTERM, which ends the work in progress first.

    This is one process: start one for each core.
    """
    os.execv(sys.executable, [sys.executable, "-m", "workers"])  # noqa: S606 - our own module
