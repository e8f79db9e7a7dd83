"""Run one API process; several may share the port."""

from __future__ import annotations

import os
import sys

import click


@click.command()
def command() -> None:
    """Replace this process by `python -m api`, so that signals reach it directly."""
    os.execv(sys.executable, [sys.executable, "-m", "api"])  # noqa: S606 - our own interpreter
