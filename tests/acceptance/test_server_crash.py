"""A server goes away under load and comes back: nothing is lost, the worker goes on by itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline.settings import Settings
from tests.acceptance.flow import Flow
from tests.acceptance.workers import start_worker, wait_until_working
from tests.support.ledger import until
from workers.local.stack import LocalStack, ServerUrls
from workers.local.supervisor import System
from workers.preparation import prepare_system

ROWS = 200
PACE = 0.02  # seconds between chunks


@pytest.fixture
def server(request: pytest.FixtureRequest) -> str:
    """The server that the test breaks."""
    return request.param


@pytest.fixture
def stack(server: str, servers: ServerUrls, tmp_path: Path) -> Iterator[LocalStack]:
    """That server alone, for this test alone; the others are those of the run."""
    given = servers._replace(**{"database" if server == "postgres" else "broker": ""})
    breakable = LocalStack(tmp_path / "stack", external=given, keep=False, say=lambda _: None)
    with breakable:
        yield breakable


@pytest.fixture
def own(own: Settings, server: str, stack: LocalStack) -> Settings:
    """A system with that server."""
    field = "database_url" if server == "postgres" else "broker_url"
    urls = {"database_url": stack.urls.database, "broker_url": stack.urls.broker}
    ours = replace(own, **{field: urls[field]})
    asyncio.run(prepare_system(ours))
    return ours


@pytest.fixture
async def endless(flow: Flow) -> AsyncIterator[asyncio.Task[None]]:
    """Chunks without end, until it is cancelled."""

    async def send() -> None:
        while True:
            await flow.send(*flow.fresh(1, ROWS))
            await asyncio.sleep(PACE)

    task = asyncio.create_task(send())
    yield task
    task.cancel()


@pytest.mark.parametrize("server", ["rabbitmq", "postgres"], indirect=True)
async def test_a_server_that_crashes_and_restarts_costs_nothing(
    system: System, stack: LocalStack, server: str, flow: Flow, endless: asyncio.Task[None]
) -> None:
    # Given a worker in the middle of a flow
    start_worker(system, "worker")
    wait_until_working(system, "worker")
    for end in (stack.kill_server, stack.stop_server):
        before = await flow.written()
        await until(flow.pool, "count(*) > $1 + 5 FROM ledger", before)
        # When the server crashes, then is restarted in good order
        await asyncio.to_thread(end, server)
        await asyncio.to_thread(stack.start_server, server)
        # Then the same worker goes on with the flow
        away = await flow.written()
        await until(flow.pool, "count(*) > $1 + 10 FROM ledger", away)
        assert system.get_child("worker").is_alive
    endless.cancel()
    await flow.drained()
    await flow.check()
    assert system.stop_process("worker") == 0
