"""Where PostgreSQL's programs are on this machine."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final, NamedTuple

OLDEST_POSTGRES: Final = 15


class Program(NamedTuple):
    """A server's folder of programs, and its version where the path tells it."""

    folder: Path
    version: str = ""


def find_postgres() -> Program | None:
    """The newest of Debian's side-by-side versions, else the one in the search path."""
    installed = {
        int(folder.parent.name): folder
        for folder in Path("/usr/lib/postgresql").glob("*/bin")
        if folder.parent.name.isdigit() and (folder / "initdb").exists()
    }
    newest = max(installed, default=0)
    if newest >= OLDEST_POSTGRES:
        return Program(installed[newest], str(newest))
    found = shutil.which("initdb")
    return Program(Path(found).resolve().parent) if found and not installed else None
