"""`spendline up`, the real command: serves, mends, says when it is up already, leaves nothing."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.settings import Settings
from tests.support.waiting import until
from workers.local.pid_files import identify_process
from workers.local.stack.server import find_free_ports

UP = (
    "import workers.commands.system.up as up\n"
    "from workers.commands import main\n"
    "up.WORKERS = 'tests.support.doubles'\n"
    "main(['up', '--worker-processes', '2', '--api-processes', '2'])"
)


class Up:
    """One run of the command and what it has said."""

    def __init__(self, settings: Settings, log: Path) -> None:
        self.settings = settings
        self.folder = Path(settings.data_folder) / "system"
        self._log = log
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-c", UP],
                env=settings.make_child_environment(),
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    @property
    def said(self) -> str:
        return self._log.read_text()

    def wait_until_up(self) -> None:
        until(lambda: "until Ctrl-C" in self.said and "token" in self.said, seconds=60)

    def pid(self, name: str) -> int:
        return int((self.folder / f"pids/{name}.pid").read_text().split()[0])


@pytest.fixture
def own(own: Settings, tmp_path: Path) -> Settings:
    return replace(
        own, api_port=find_free_ports(1)[0], data_folder=str(tmp_path), api_metrics_port=0
    )


@pytest.fixture
def up(own: Settings, tmp_path: Path) -> Iterator[Up]:
    up = Up(own, tmp_path / "first.log")
    yield up
    up.process.kill()
    up.process.wait()


def get(settings: Settings, path: str, token: str) -> int:
    connection = http.client.HTTPConnection(settings.api_host, settings.api_port, timeout=10)
    with closing(connection):
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        return connection.getresponse().status


def test_the_printed_token_opens_the_printed_address_and_a_second_one_is_refused(
    up: Up, tmp_path: Path
) -> None:
    up.wait_until_up()
    second = Up(replace(up.settings, api_port=find_free_ports(1)[0]), tmp_path / "second.log")

    token = next(line.split()[-1] for line in up.said.splitlines() if line.startswith("token"))

    assert f"up: http://127.0.0.1:{up.settings.api_port} " in up.said
    assert get(up.settings, "/v1/taxonomy", token) == http.HTTPStatus.OK
    assert second.process.wait(60) == 1
    assert f"Error: already up: process {up.process.pid}" in second.said


def test_what_is_killed_is_started_again(up: Up) -> None:
    up.wait_until_up()
    killed = up.pid("worker-1")

    os.kill(killed, signal.SIGKILL)

    until(lambda: "worker-1 had ended and was started again" in up.said)
    assert up.pid("worker-1") != killed


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_behind(up: Up, end: signal.Signals) -> None:
    up.wait_until_up()
    children = [up.pid(name) for name in ("api-1", "api-2", "worker-1", "worker-2")]
    assert all(map(identify_process, children))

    up.process.send_signal(end)

    assert up.process.wait(60) == (-end if end == signal.SIGKILL else 0)
    until(lambda: not any(map(identify_process, children)), seconds=60)
