"""A private replica: a hot standby that streams from a private PostgreSQL."""

from __future__ import annotations

import shutil
from pathlib import Path

from workers.local.stack.postgres import Postgres
from workers.local.stack.server import HOST, USER, Place


class Replica(Postgres):
    """Copied from its primary at every start, since it holds nothing of its own."""

    def __init__(self, programs: Path, place: Place, name: str, primary: Postgres) -> None:
        super().__init__(programs, place, name)
        self._primary = primary

    def _initialize(self) -> None:
        shutil.rmtree(self._data, ignore_errors=True)
        self._place.run(
            [
                *(str(self.programs / "pg_basebackup"), "-D", str(self._data)),
                *("-h", HOST, "-p", str(self._primary.port), "-U", USER),
                *("--write-recovery-conf", "--checkpoint", "fast", "--no-sync"),
            ],
            self._environment | {"PGPASSWORD": self._place.password},
        )
