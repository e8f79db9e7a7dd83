"""A scripted API, and a client of it that tries again quickly."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import web

from client import Client
from tests.integration.client.script import QUICK, TOKEN, Script


@pytest.fixture
async def script() -> AsyncIterator[Script]:
    script = Script()
    app = web.Application(client_max_size=2**24)
    app.router.add_route("*", "/{path:.*}", script.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0]
    script.url = f"http://{host}:{port}"
    yield script
    await runner.cleanup()


@pytest.fixture
async def client(script: Script) -> AsyncIterator[Client]:
    async with Client(script.url, TOKEN, retries=QUICK) as opened:
        yield opened
