"""A private replica: a hot standby that streams from a private PostgreSQL."""

from __future__ import annotations

import shutil
from pathlib import Path

from workers.local.stack.postgres import Postgres
from workers.local.stack.server import HOST, USER, ServerFiles


class PostgresReplica(Postgres):
    """A standby that is copied from its primary at every start."""

    def __init__(self, programs: Path, files: ServerFiles, name: str, primary: Postgres) -> None:
        super().__init__(programs, files, name)
        self._primary = primary

    def _create_cluster(self) -> None:
        shutil.rmtree(self._data, ignore_errors=True)
        self._files.run_program(
            [
                *(str(self.programs / "pg_basebackup"), "-D", str(self._data)),
                *("-h", HOST, "-p", str(self._primary.port), "-U", USER),
                *("--write-recovery-conf", "--checkpoint", "fast", "--no-sync"),
            ],
            self._environment | {"PGPASSWORD": self._files.password},
        )
