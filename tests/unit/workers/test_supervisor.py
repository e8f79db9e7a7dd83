"""The runner of a system: what ends is started again, and nothing is left behind."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.errors import AlreadyUp, ServerFailed
from pipeline.settings import Settings
from tests.support.waiting import until
from workers.local import supervisor as processes
from workers.local.supervisor import System

pytestmark = pytest.mark.slow

SCRIPT = """
import signal, sys, time
if "deaf" in sys.argv:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("up", flush=True)
print("half a li", end="", flush=True)
time.sleep(600 if "stay" in sys.argv else 0)
"""


@pytest.fixture
def system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[System]:
    (tmp_path / "script.py").write_text(SCRIPT)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with System(Settings(api_port=1), tmp_path / "system") as system:
        yield system


def said(system: System, count: int = 1) -> list[tuple[str, str]]:
    lines: list[tuple[str, str]] = []

    def enough() -> bool:
        lines.extend(system.read_new_lines())
        return len(lines) >= count

    until(enough)
    return lines


def test_lines_come_whole_and_with_the_name_of_who_wrote_them(system: System) -> None:
    system.start_process("worker-1", "script", "stay")

    assert said(system) == [("worker-1", "up")]


def test_a_killed_child_is_started_again(system: System) -> None:
    first = system.start_process("worker-1", "script", "stay").process
    said(system)

    system.kill_process("worker-1")

    until(system.restart_ended)
    second = system.get_child("worker-1").process
    assert first
    assert second
    assert second.pid != first.pid
    assert system.get_child("worker-1").is_alive


def test_a_child_that_ends_at_once_is_started_again_after_growing_pauses(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1000.0
    monkeypatch.setattr(processes.time, "monotonic", lambda: now)
    child = system.start_process("worker-1", "script")
    starts = []

    while now < 1016:
        child.wait(20)
        if system.restart_ended():
            starts.append(now)
        now += 0.5

    assert starts == [1000, 1001, 1003, 1007, 1015]


def test_a_stopped_child_stays_away(system: System) -> None:
    system.start_process("worker-1", "script", "stay")
    said(system)

    assert system.stop_process("worker-1") == -signal.SIGTERM

    assert system.restart_ended() == []


def test_the_end_of_the_system_ends_all_children(
    system: System, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "STOP_SECONDS", 0.2)
    children = [
        system.start_process("worker-1", "script", "stay"),
        system.start_process("worker-2", "script", "stay", "deaf"),
    ]
    said(system, 2)

    system.close()

    assert [child.wait() for child in children] == [-signal.SIGTERM, -signal.SIGKILL]


def test_one_system_has_a_folder(system: System) -> None:
    with pytest.raises(AlreadyUp):
        System(Settings(), system.folder).__enter__()


def test_who_does_not_start_is_named_with_its_last_words(system: System) -> None:
    system.start_process("api-1", "no_such_module")

    with pytest.raises(ServerFailed, match=r"api-1 did not start:\n.*No module named"):
        system.wait_until_ready()


def test_children_get_the_settings_and_not_those_of_the_parent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SPENDLINE_DATABASE_URL_FILE", "/run/secrets/database")
    monkeypatch.setenv("LANG", "C.UTF-8")

    environment = Settings(database_url="postgresql://ours").make_child_environment()

    assert environment["SPENDLINE_DATABASE_URL"] == "postgresql://ours"
    assert "SPENDLINE_DATABASE_URL_FILE" not in environment
    assert environment["LANG"] == "C.UTF-8"
