"""Run one worker process until it is told to stop."""

from __future__ import annotations

import os
import sys

import click


@click.command()
def command() -> None:
    """Categorize and store chunks; SIGTERM drains. One process: start one for each core."""
    os.execv(sys.executable, [sys.executable, "-m", "workers"])  # noqa: S606 - our own module
