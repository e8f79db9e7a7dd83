"""Installs the servers' packages on Debian without starting the system's own services."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pipeline.errors import ServersMissing
from workers.local.stack.binaries import PACKAGES

_POLICY = Path("/usr/sbin/policy-rc.d")
_WAIT = "DPkg::Lock::Timeout=120"  # seconds to wait for another installation
_FORBID = "#!/bin/sh\nexit 101\n"  # invoke-rc.d: action forbidden by policy


def install_servers(servers: Sequence[str], say: Callable[[str], None]) -> None:
    """Install the packages of these servers with apt-get.

    Raises ServersMissing with the command to type when this user may not install.
    """
    packages = [PACKAGES[server] for server in servers]
    command = f"apt-get install --no-install-recommends {' '.join(packages)}"
    if not shutil.which("apt-get"):
        raise ServersMissing(
            f"{', '.join(servers)} not found: install PostgreSQL 15, RabbitMQ and Redis, or set "
            "SPENDLINE_DATABASE_URL, SPENDLINE_BROKER_URL and SPENDLINE_REDIS_URL"
        )
    if os.geteuid() != 0:
        raise ServersMissing(f"{', '.join(servers)} not found: sudo {command}")
    say(f"installing {', '.join(packages)}; the system's own services stay stopped")
    with _forbid_services():
        _run_apt("update")
        _run_apt("install", "--yes", "--no-install-recommends", *packages)


def _run_apt(*arguments: str) -> None:
    environment = {"PATH": os.defpath + ":/usr/sbin:/sbin", "DEBIAN_FRONTEND": "noninteractive"}
    completed = subprocess.run(  # noqa: S603 - ours
        ["apt-get", "--quiet", f"--option={_WAIT}", *arguments],  # noqa: S607 - the search path is set
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if completed.returncode:
        raise ServersMissing(f"apt-get {arguments[0]} failed: {completed.stderr[-800:]}")


@contextmanager
def _forbid_services() -> Iterator[None]:
    before = _POLICY.read_bytes() if _POLICY.exists() else None
    mode = _POLICY.stat().st_mode if before is not None else 0o755
    _POLICY.write_text(_FORBID)
    _POLICY.chmod(0o755)
    try:
        yield
    finally:
        if before is None:
            _POLICY.unlink()
        else:
            _POLICY.write_bytes(before)
            _POLICY.chmod(mode)
