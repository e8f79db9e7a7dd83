"""The parts of the private stack that need no server: children, pid files, locks, ports."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.errors import AlreadyUp, ServersMissing
from tests.support.children import running
from tests.support.waiting import until
from workers.local.child import Child
from workers.local.lock import FolderLock
from workers.local.pid_files import end_survivors, identify_process
from workers.local.stack import install as installing
from workers.local.stack.account import ServerAccount, choose_account

pytestmark = pytest.mark.slow

SLEEP = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]
DEAF = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True); time.sleep(600)",
]


@pytest.fixture
def pids(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "pids"
    end_survivors(tmp_path / "pids", grace_seconds=0)


def started(command: list[str], pids: Path) -> Child:
    log = pids.parent / "log"
    child = Child("sleeper", command, pids=pids, environment=dict(os.environ), output=log)
    child.start()
    until(lambda: log.read_text().endswith("up\n"))
    return child


def test_a_child_that_listens_ends_in_good_order(pids: Path) -> None:
    child = started(SLEEP, pids)

    assert child.stop(grace_seconds=10) == -signal.SIGTERM
    assert not child.is_alive
    assert list(pids.iterdir()) == []


def test_a_child_that_does_not_listen_is_killed(pids: Path) -> None:
    child = started(DEAF, pids)

    assert child.stop(grace_seconds=0.1) == -signal.SIGKILL


def test_clear_ends_what_the_pid_files_name(pids: Path) -> None:
    child = started(DEAF, pids)

    assert end_survivors(pids, grace_seconds=0.1) == ["sleeper"]

    assert child.wait(10) == -signal.SIGKILL
    assert list(pids.iterdir()) == []


@pytest.mark.parametrize("born", ["", " ", " another-boot/1", " {boot}/1"])
def test_clear_spares_a_stranger_that_got_the_number(tmp_path: Path, born: str) -> None:
    with running(["sleep", "600"], start_new_session=True) as stranger:
        boot = identify_process(stranger.pid).partition("/")[0]
        pids = tmp_path / "pids"
        pids.mkdir()
        (pids / "redis.pid").write_text(f"{stranger.pid}{born.format(boot=boot)}")

        assert end_survivors(pids) == []

        assert stranger.poll() is None
        assert list(pids.iterdir()) == []


def test_an_ended_process_has_no_birth() -> None:
    with subprocess.Popen(["true"]) as process:
        until(lambda: not identify_process(process.pid))  # a zombie has ended, too

    assert identify_process(os.getpid())


def test_a_lock_has_one_owner(tmp_path: Path) -> None:
    first, second = FolderLock(tmp_path), FolderLock(tmp_path)
    first.acquire()

    with pytest.raises(AlreadyUp, match=str(os.getpid())):
        second.acquire()

    first.release()
    second.acquire()
    second.release()


@pytest.mark.parametrize("deaf", [False, True])
def test_taking_over_a_lock_ends_its_owner(tmp_path: Path, *, deaf: bool) -> None:
    script = (
        "import signal, sys, time; from pathlib import Path; from workers.local.lock import FolderLock\n"
        "signal.signal(15, signal.SIG_IGN) if sys.argv[2] == 'True' else None\n"
        "FolderLock(Path(sys.argv[1])).acquire() or print('taken', flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", script, tmp_path, str(deaf)]
    with running(command, stdout=subprocess.PIPE) as owner:
        assert owner.stdout
        assert owner.stdout.readline() == b"taken\n"

        lock = FolderLock(tmp_path)
        assert lock.take_over(grace_seconds=0.3) == owner.pid

        assert owner.wait(10) == (-signal.SIGKILL if deaf else -signal.SIGTERM)
        lock.release()


def test_only_the_account_reads_what_is_written_for_it(tmp_path: Path) -> None:
    account = choose_account()

    account.write_file(tmp_path / "secret", "hidden")

    state = (tmp_path / "secret").stat()
    assert stat.S_IMODE(state.st_mode) == 0o600
    assert state.st_uid == account.uid


def test_a_link_in_the_place_of_a_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "victim").write_text("untouched")
    (tmp_path / "secret").symlink_to(tmp_path / "victim")

    with pytest.raises(OSError, match="symbolic"):
        ServerAccount("", os.geteuid(), os.getegid()).write_file(tmp_path / "secret", "hidden")

    assert (tmp_path / "victim").read_text() == "untouched"


@pytest.fixture
def policy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(installing, "_POLICY", tmp_path / "policy-rc.d")
    monkeypatch.setattr(installing.os, "geteuid", lambda: 0)
    monkeypatch.setattr(installing.shutil, "which", lambda name: f"/usr/bin/{name}")
    return tmp_path / "policy-rc.d"


@pytest.mark.parametrize("before", [None, "#!/bin/sh\nexit 0\n"])
def test_installing_starts_no_service(
    policy: Path, monkeypatch: pytest.MonkeyPatch, before: str | None
) -> None:
    if before is not None:
        policy.write_text(before)
    commands: list[tuple[str, ...]] = []

    def apt(*arguments: str) -> None:
        assert "exit 101" in policy.read_text()
        assert os.access(policy, os.X_OK)
        commands.append(arguments)

    monkeypatch.setattr(installing, "_run_apt", apt)

    installing.install_servers(["redis"], lambda _: None)

    assert commands[-1][-1] == "redis-server"
    assert (policy.read_text() if policy.exists() else None) == before


def test_the_policy_is_restored_when_installing_fails(
    policy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def apt(*_: str) -> None:
        raise ServersMissing("no network")

    monkeypatch.setattr(installing, "_run_apt", apt)

    with pytest.raises(ServersMissing):
        installing.install_servers(["redis"], lambda _: None)

    assert not policy.exists()


def test_who_may_not_install_is_told_what_to_type(
    policy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installing.os, "geteuid", lambda: 1000)

    with pytest.raises(ServersMissing, match=r"sudo apt-get install .*postgresql redis-server"):
        installing.install_servers(["postgres", "redis"], lambda _: None)
