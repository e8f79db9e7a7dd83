"""The wheel and the two images, away from the checkout: complete, and the system runs from them."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen
from uuid import uuid4
from zipfile import ZipFile

import pika
import pytest

from pipeline.queue.topology import Queues
from pipeline.settings import Settings
from tests.acceptance.images import ROOT, Image, build_wheel, copy_context
from tests.support.waiting import until
from workers.local.child import Child

ROWS = 500
WHERE_IS = "import importlib, sys; print(importlib.import_module(sys.argv[1]).__file__)"


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_context(tmp_path_factory.mktemp("sources"))


@pytest.fixture(scope="module")
def wheel(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(sources, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def api(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Image:
    return Image("api", wheel, tmp_path_factory.mktemp("api"))


@pytest.fixture(scope="module")
def worker(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Image:
    return Image("worker", wheel, tmp_path_factory.mktemp("worker"))


@pytest.fixture
def empty(settings: Settings, make_database: Callable[[], str]) -> Iterator[Settings]:
    """A system before its first migration, with a free port for its API."""
    with socket.socket() as probe:
        probe.bind((settings.api_host, 0))
        port = probe.getsockname()[1]
    prefix = f"test-{uuid4().hex[:8]}"
    yield replace(
        settings,
        database_url=make_database(),
        queue_prefix=prefix,
        key_prefix=prefix,
        api_port=port,
    )
    with closing(pika.BlockingConnection(pika.URLParameters(settings.broker_url))) as connection:
        for name in Queues(prefix).all:
            connection.channel().queue_delete(name)


@pytest.fixture
def start(empty: Settings, tmp_path: Path) -> Iterator[Callable[[Image], Child]]:
    """Starts what an image runs; all of it is ended after the test."""
    children: list[Child] = []

    def start_command(image: Image) -> Child:
        name = image.command[-1]
        child = Child(
            name,
            image.command,
            pids=tmp_path / "pids",
            environment=image.environment(empty),
            output=tmp_path / f"{name}.log",
            folder=image.work,
        )
        child.start()
        children.append(child)
        return child

    yield start_command
    for child in children:
        child.kill()


def succeed(process: subprocess.CompletedProcess[str]) -> str:
    assert process.returncode == 0, process.stderr
    return process.stdout


def packages() -> set[str]:
    """The packages of the checkout that are released."""
    return {folder.parent.name for folder in ROOT.glob("[!.]*/__init__.py")} - {"tests"}


def names(wheel: Path) -> set[str]:
    with ZipFile(wheel) as archive:
        return set(archive.namelist())


def ask(settings: Settings, path: str) -> dict[str, str]:
    """The answer of the API; none while it does not listen."""
    try:
        with urlopen(f"http://{settings.api_host}:{settings.api_port}{path}", timeout=5) as answer:
            return dict(json.load(answer))
    except URLError:
        return {}


def test_the_wheel_holds_every_file_of_every_package(wheel: Path) -> None:
    files = {
        path.relative_to(ROOT).as_posix()
        for package in packages()
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert files - names(wheel) == set()


def test_every_package_of_the_wheel_is_typed_and_from_the_checkout(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in names(wheel) if ".dist-info/" not in name}
    assert tops == packages()
    assert {f"{top}/py.typed" for top in tops} <= names(wheel)


def test_the_source_distribution_builds_the_same_wheel(
    sources: Path, wheel: Path, tmp_path: Path
) -> None:
    # Given
    build = f"from setuptools.build_meta import build_sdist; build_sdist({str(tmp_path)!r})"
    subprocess.run([sys.executable, "-c", build], cwd=sources, check=True, capture_output=True)
    (archive,) = tmp_path.glob("*.tar.gz")
    # When
    again = build_wheel(archive, tmp_path)
    # Then
    assert names(again) == names(wheel)


@pytest.mark.parametrize("target", ["api", "worker"])
def test_an_image_imports_its_wheel_and_not_the_checkout(
    target: str, request: pytest.FixtureRequest, empty: Settings
) -> None:
    image: Image = request.getfixturevalue(target)
    shown = succeed(image.run(empty, "python", "-c", WHERE_IS, "pipeline"))
    assert Path(shown.strip()).is_relative_to(image.folder)


@pytest.mark.parametrize(
    "package",
    [
        *("sklearn", "scipy", "numba", "dramatiq", "click"),
        *sorted(packages() - {"api", "pipeline"}),
    ],
)
def test_the_image_of_the_api_has_nothing_of_the_workers(
    api: Image, empty: Settings, package: str
) -> None:
    absent = api.run(empty, "python", "-c", WHERE_IS, package)
    assert f"No module named '{package}'" in absent.stderr


def test_the_command_line_of_the_worker_categorizes(worker: Image, empty: Settings) -> None:
    assert "migrate" in succeed(worker.run(empty, "spendline", "--help"))
    shown = succeed(worker.run(empty, "spendline", "categorize", "UBER EATS 1234", "--json"))
    assert json.loads(shown)["code"].startswith("FOOD_AND_DRINK")


def test_the_demo_data_goes_through_a_system_of_both_images(
    wheel: Path, api: Image, worker: Image, empty: Settings, start: Callable[[Image], Child]
) -> None:
    # Given
    migrated = succeed(worker.run(empty, "spendline", "migrate", "--json"))
    assert len(json.loads(migrated)["migrations"]) == sum(
        "migrations/" in name for name in names(wheel)
    )
    months = ("--from", "2014-03", "--to", "2014-12")
    succeed(worker.run(empty, "spendline", "partitions", "create", *months))
    scopes = [f"--scope={scope}" for scope in ("ingest", "read", "manage")]
    token = succeed(worker.run(empty, "spendline", "tokens", "create", "demo", *scopes)).strip()
    # When
    processes = [start(api), start(worker)]
    alive = until(lambda: ask(empty, "/livez"))
    version = ask(empty, "/version")
    address = f"http://{empty.api_host}:{empty.api_port}"
    access = ("--api", address, "--token", token)
    shown = succeed(worker.run(empty, "spendline", "demo", *access, "--rows", str(ROWS)))
    statuses = [process.stop(40) for process in processes]
    # Then
    assert alive == {"status": "alive"}
    assert version == {"version": wheel.name.split("-")[1]}
    assert shown.splitlines()[-1].startswith(f"demo: {ROWS} accepted, {ROWS} in the feed, 0 lost")
    assert statuses == [0, 0]
