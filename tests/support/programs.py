"""Programs of the machine that tests run; `python -m tests.support.programs` installs what is missing."""

from __future__ import annotations

import os
import shutil
import sys

import pytest

from pipeline.errors import ServersMissing
from workers.local.stack.binaries import SERVERS, list_missing
from workers.local.stack.install import install_servers

PROGRAMS = {"prometheus": "prometheus", "promtool": "prometheus", "curl": "curl"}


def program(name: str) -> str:
    """Where it is, installed if it may be; without it the test is skipped, and fails in CI."""
    path = shutil.which(name)
    if path is None:
        try:
            install_servers((PROGRAMS[name],), print)
        except ServersMissing as error:
            message = f"no {name} on this machine: {error}"
            pytest.fail(message) if os.environ.get("CI") else pytest.skip(message)
        path = shutil.which(name)
    assert path is not None
    return path


def install_missing() -> None:
    """Install all that the tests need in one go; ServersMissing has the command to type."""
    absent = {package for name, package in PROGRAMS.items() if not shutil.which(name)}
    if packages := [*list_missing(SERVERS), *sorted(absent)]:
        install_servers(packages, print)


if __name__ == "__main__":
    try:
        install_missing()
    except ServersMissing as error:
        sys.exit(f"make test: {error}")
