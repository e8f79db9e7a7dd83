"""The private stack: it answers, it is one per folder, and it leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import pika
import psutil
import pytest
import redis
from click.testing import CliRunner

from pipeline.errors import AlreadyUp, ServerFailed
from pipeline.settings import Settings
from tests.support import children
from tests.support.waiting import until
from workers.commands.system.down import command as down
from workers.local.pid_files import identify_process
from workers.local.stack import LocalStack, ServerUrls, discover_servers

ONLY_REDIS = ServerUrls(database="postgresql://given", broker="amqp://given")
ONLY_POSTGRES = ServerUrls(broker="amqp://given", redis="redis://given")
LOOPBACK = ("127.0.0.1", "::1")
RUN = (
    "import sys; from pathlib import Path; from workers.local.stack import LocalStack, ServerUrls\n"
)


def quiet(_: str) -> None: ...


def new_folder() -> Path:
    """A folder that the servers' account can enter, unlike pytest's own."""
    return Path(Settings.from_environment().data_folder).absolute() / f"test-{uuid4().hex[:8]}"


@pytest.fixture
def folder() -> Iterator[Path]:
    folder = new_folder()
    yield folder
    remove(folder)


@pytest.fixture(params=["open", "closed"])
def any_folder(request: pytest.FixtureRequest, folder: Path) -> Iterator[Path]:
    """A folder whose parent the servers' account may enter, or may not."""
    if request.param == "closed":
        folder.mkdir(mode=0o700, parents=True)
    yield folder / "stack"
    remove(folder / "stack")


def remove(folder: Path) -> None:
    """Remove a folder of a stack, and the one that it links to."""
    shutil.rmtree(folder.resolve(), ignore_errors=True)
    if folder.is_symlink():
        folder.unlink()


@pytest.fixture(scope="module")
def stack() -> Iterator[LocalStack]:
    with (stack := LocalStack(new_folder(), keep=False, say=quiet)):
        yield stack


def query(url: str, statement: str) -> Any:
    async def ask() -> Any:
        connection = await asyncpg.connect(url, timeout=5)
        try:
            return await connection.fetchval(statement)
        finally:
            await connection.close()

    return asyncio.run(ask())


def ping(url: str) -> bool:
    with redis.Redis.from_url(url) as client:
        return bool(client.ping())


def running(folder: Path) -> list[int]:
    """The processes that the pid files of a stack name truly."""
    pairs = [file.read_text().split() for file in (folder / "pids").glob("*.pid")]
    return [int(pid) for pid, born in pairs if identify_process(int(pid)) == born]


def test_all_three_servers_answer(stack: LocalStack) -> None:
    urls = stack.urls

    assert query(urls.database, "SHOW synchronous_commit") == "on"
    assert ping(urls.redis)
    with closing(pika.BlockingConnection(pika.URLParameters(urls.broker))) as connection:
        assert connection.is_open


def test_the_servers_want_their_password(stack: LocalStack) -> None:
    database, broker, cache = (guessed(url) for url in stack.urls)

    with pytest.raises(asyncpg.InvalidPasswordError):
        query(database, "SELECT 1")
    with pytest.raises(redis.AuthenticationError):
        ping(cache)
    with pytest.raises(pika.exceptions.ProbableAuthenticationError):
        pika.BlockingConnection(pika.URLParameters(broker))


def guessed(url: str) -> str:
    before, at, after = url.rpartition("@")
    return f"{before.rpartition(':')[0]}:guess{at}{after}"


def test_nothing_listens_beyond_loopback(stack: LocalStack) -> None:
    pids = running(stack.folder)

    sockets = [(host, pid) for host, pid in listeners() if pid in pids]

    assert len(pids) == len(["epmd", "rabbitmq", "postgres", "redis"])
    assert {pid for _, pid in sockets} == set(pids)
    assert {host for host, _ in sockets} <= set(LOOPBACK)


def listeners() -> Iterator[tuple[str, int]]:
    """Address and process of every listening TCP socket that we can see."""
    for connection in psutil.net_connections("tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.pid is not None:
            yield connection.laddr.ip, connection.pid


def test_a_second_stack_in_the_same_folder_is_refused(stack: LocalStack) -> None:
    with pytest.raises(AlreadyUp, match=f"already up: process {os.getpid()}"):
        LocalStack(stack.folder, say=quiet).__enter__()

    assert ping(stack.urls.redis)


def test_a_stack_in_another_folder_does_not_collide(stack: LocalStack, folder: Path) -> None:
    with LocalStack(folder, external=ONLY_REDIS, keep=False, say=quiet) as urls:
        assert urls.redis != stack.urls.redis
        assert ping(urls.redis)
        assert ping(stack.urls.redis)

    assert not folder.exists()


def test_a_killed_server_comes_back_where_it_was(stack: LocalStack) -> None:
    for name in ("redis", "postgres", "rabbitmq"):
        stack.kill_server(name)

    mended = stack.restart_ended()

    assert sorted(mended) == ["postgres", "rabbitmq", "redis"]
    assert query(stack.urls.database, "SELECT 1") == 1
    assert ping(stack.urls.redis)


def test_data_survives_until_the_next_start(folder: Path) -> None:
    with LocalStack(folder, external=ONLY_POSTGRES, say=quiet) as urls:
        query(urls.database, "CREATE TABLE kept AS SELECT 42 AS answer")

    with LocalStack(folder, external=ONLY_POSTGRES, keep=False, say=quiet) as urls:
        assert query(urls.database, "SELECT answer FROM kept") == 42


def test_a_server_that_cannot_start_is_named_with_its_last_words(folder: Path) -> None:
    with LocalStack(folder, external=ONLY_POSTGRES, say=quiet):
        pass
    (folder / "postgres/data/PG_VERSION").write_text("9.6\n")

    with pytest.raises(ServerFailed, match=r"postgres did not start(.|\n)*initialized"):
        LocalStack(folder, external=ONLY_POSTGRES, keep=False, say=quiet).__enter__()

    assert not folder.exists()


@pytest.mark.parametrize(
    ("last", "given", "servers"),
    [
        (signal.SIGKILL, "ServerUrls()", 4),  # with the epmd of RabbitMQ
        (signal.SIGTERM, "ServerUrls(broker='given')", 2),
        (signal.SIGINT, "ServerUrls(broker='given')", 2),
    ],
)
def test_no_server_outlives_its_owner(
    folder: Path, last: signal.Signals, given: str, servers: int
) -> None:
    with owning(folder, given) as owner:
        assert len(running(folder)) == servers

        owner.send_signal(last)
        owner.wait()

        until(lambda: not running(folder))
        until(lambda: not touching(folder))


@contextmanager
def owning(folder: Path, given: str) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that has a stack in the folder, ready; killed in the end."""
    script = f"{RUN}with LocalStack(Path(sys.argv[1]), external={given}): sys.stdin.read()"
    with children.running(
        [sys.executable, "-u", "-c", script, folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as owner:
        assert owner.stdout
        assert any(b" ready in " in line for line in owner.stdout)
        yield owner


def touching(folder: Path) -> list[int]:
    """Processes whose command or environment names the folder or its target, pid file or not."""
    needles = (str(folder), str(folder.resolve()))
    return [
        process.pid
        for process in psutil.process_iter()
        if any(needle in text for text in _describe(process) for needle in needles)
    ]


def _describe(process: psutil.Process) -> list[str]:
    """Its command and the values of its environment; nothing for one that has ended."""
    with suppress(psutil.Error):
        return [*process.cmdline(), *process.environ().values()]
    return []


def test_down_ends_what_a_crash_has_left(any_folder: Path) -> None:
    with owning(any_folder, "ServerUrls('given', 'given')") as owner:
        (survivor,) = running(any_folder)
        os.kill(survivor, signal.SIGSTOP)  # so that the kernel's farewell goes unheard
        owner.kill()
        owner.wait()
        assert running(any_folder) == [survivor]

    result = CliRunner().invoke(down, env={"SPENDLINE_DATA_FOLDER": str(any_folder.parent)})

    assert result.output == "ended: redis\n"
    until(lambda: not identify_process(survivor))


def test_down_ends_a_stack_that_is_up(any_folder: Path) -> None:
    with owning(any_folder, "ServerUrls('given', 'given')") as owner:
        assert touching(any_folder)

        result = CliRunner().invoke(down, env={"SPENDLINE_DATA_FOLDER": str(any_folder.parent)})

        assert result.output.startswith(f"ended: process {owner.pid}")
        owner.wait(timeout=10)
        assert owner.returncode == -signal.SIGTERM
        until(lambda: not touching(any_folder))


def test_settings_with_all_urls_start_nothing(servers: ServerUrls, folder: Path) -> None:
    told: list[str] = []
    settings = Settings(
        database_url=servers.database, broker_url=servers.broker, redis_url=servers.redis
    )

    with discover_servers(settings, folder, say=told.append) as urls:
        assert urls == servers

    assert not folder.exists()
    assert [line.split(":")[0] for line in told] == ["postgres", "rabbitmq", "redis"]
    assert not any(":" + servers.database.split(":")[2].split("@")[0] in line for line in told)
