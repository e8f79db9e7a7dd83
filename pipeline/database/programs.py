"""PostgreSQL's programs on this machine."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final, NamedTuple

OLDEST_POSTGRES: Final = 15


class Program(NamedTuple):
    """The folder of a server's programs, and the version when the path contains it."""

    folder: Path
    version: str = ""


def find_postgres() -> Program | None:
    """Find the newest of Debian's versions, else the one in the search path; None without any."""
    installed = {
        int(folder.parent.name): folder
        for folder in Path("/usr/lib/postgresql").glob("*/bin")
        if folder.parent.name.isdigit() and (folder / "initdb").exists()
    }
    newest = max(installed, default=0)
    if newest >= OLDEST_POSTGRES:
        return Program(installed[newest], str(newest))
    initdb = shutil.which("initdb")
    return Program(Path(initdb).resolve().parent) if initdb and not installed else None
