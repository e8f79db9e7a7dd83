"""The user that the servers run as, since PostgreSQL refuses to run as root."""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

_CANDIDATES = ("postgres", "nobody")
_OF_ROOT = Path("/var/lib/spendline")


class ServerAccount(NamedTuple):
    """A user of this machine."""

    name: str
    uid: int
    gid: int

    def wrap_command(self, command: Sequence[str]) -> list[str]:
        """The command that runs `command` as this user; itself when we are this user."""
        if os.geteuid() == self.uid:
            return list(command)
        groups = ["--reuid", str(self.uid), "--regid", str(self.gid), "--clear-groups"]
        return ["setpriv", *groups, "--inh-caps=-all", "--", *command]

    def make_folder(self, folder: Path) -> None:
        """Make a folder that only this user can enter."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.chown(folder, self.uid, self.gid)

    def write_file(self, file: Path, text: str) -> None:
        """Write a file that only this user can read. Raises OSError when it is a symbolic link."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW
        with os.fdopen(os.open(file, flags, 0o600), "w", encoding="utf-8") as opened:
            os.fchown(opened.fileno(), self.uid, self.gid)
            opened.write(text)

    def can_enter(self, folder: Path) -> bool:
        """Whether this user may enter the folder."""
        command = self.wrap_command(["test", "-x", str(folder)])
        return subprocess.run(command, check=False).returncode == 0  # noqa: S603 - ours


def choose_account() -> ServerAccount:
    """Our own user; for root the first of `postgres` and `nobody` that exists."""
    if os.geteuid() != 0:
        return ServerAccount("", os.geteuid(), os.getegid())
    entries = {entry.pw_name: entry for entry in pwd.getpwall()}
    entry = next(entries[name] for name in _CANDIDATES if name in entries)
    return ServerAccount(entry.pw_name, entry.pw_uid, entry.pw_gid)


def choose_folder(folder: Path, account: ServerAccount) -> Path:
    """The folder itself; or one below /var/lib when the account cannot enter its parents."""
    existing = next(parent for parent in folder.parents if parent.exists())
    if os.geteuid() != 0 or account.can_enter(existing):
        return folder
    return _OF_ROOT / sha256(str(folder).encode()).hexdigest()[:12]
