"""One private stack for the whole suite, one system for each test, one table in the end."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.faults import report
from tests.faults.report import Row
from tests.faults.site import Site, open_site
from workers.local.stack import LocalStack

_ROWS = pytest.StashKey[list[Row]]()

OpenSite = Callable[..., AbstractAsyncContextManager[Site]]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--results", type=Path, help="where to write the table of faults as JSON")


def pytest_itemcollected(item: pytest.Item) -> None:
    """A fault is followed by minutes of recovery, and the queues have five of them to drain."""
    item.add_marker(pytest.mark.timeout(900))


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_ROWS] = []


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    rows = report.in_order(config.stash[_ROWS])
    if rows:
        terminalreporter.section("faults")
        for line in report.table(rows):
            terminalreporter.write_line(line)
    if rows and (file := config.getoption("results")):
        report.write(rows, file)


@pytest.fixture
def rows(pytestconfig: pytest.Config) -> list[Row]:
    """The table that is printed in the end."""
    return pytestconfig.stash[_ROWS]


@pytest.fixture(scope="session")
def shared_stack() -> Iterator[LocalStack]:
    folder = Path(".spendline") / f"faults-{uuid4().hex[:8]}"
    stack = LocalStack(folder, keep=False, say=lambda _: None)
    with stack:
        yield stack


@pytest.fixture
def stack(shared_stack: LocalStack) -> Iterator[LocalStack]:
    """The stack, whole again after the test."""
    yield shared_stack
    shared_stack.restart_ended()


@pytest.fixture
def make_site(stack: LocalStack, tmp_path: Path) -> OpenSite:
    """Opens a system; keyword arguments are settings that differ from usual."""

    def make(**settings: Any) -> AbstractAsyncContextManager[Site]:
        urls = settings.pop("urls", stack.urls)
        return open_site(stack, tmp_path / uuid4().hex[:4], urls, **settings)

    return make


@pytest.fixture
async def site(make_site: OpenSite) -> AsyncIterator[Site]:
    """A system of one API process and two workers, under load."""
    async with make_site() as site:
        site.start("api", "worker-1", "worker-2")
        await site.ready()
        site.traffic.start()
        await site.flowing(2)
        yield site
