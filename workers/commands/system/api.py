"""Run one API process; several can share the port."""

from __future__ import annotations

import os
import sys

import click


@click.command()
def command() -> None:
    """Run one API process until SIGTERM. Several processes can share the port."""
    # exec, so that signals reach the process itself
    os.execv(sys.executable, [sys.executable, "-m", "api"])  # noqa: S606 - our own interpreter
