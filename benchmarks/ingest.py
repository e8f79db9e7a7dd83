"""Single-transaction posts a second against a bare echo: what coalescing buys.

    python -m benchmarks.ingest [--posts N] [--concurrent N] [--json]

The echo is an aiohttp server on uvloop that reads the body and answers it; same client, same bodies.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import aiohttp
import asyncpg
import uvloop

from benchmarks.harness.bank_feed import open_card_accounts, open_feed, open_session, post_body
from benchmarks.harness.machine import describe_origin
from benchmarks.harness.progress import Step, show_steps
from benchmarks.harness.report import parse_arguments, publish_result
from benchmarks.harness.running import Running, start_system
from benchmarks.harness.workload import build_bodies, generate_purchases

SEED = 13
_ECHO = """
import sys, uvloop
from aiohttp import web
async def echo(request):
    return web.Response(body=await request.read(), content_type="application/json")
app = web.Application()
app.router.add_post("/v1/transactions", echo)
uvloop.install()
web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)
"""


async def _rate(send: Callable[[bytes], Awaitable[Any]], load: list[bytes], at_once: int) -> float:
    waiting = iter(load)

    async def send_some() -> None:
        for body in waiting:
            await send(body)

    began = time.perf_counter()
    await asyncio.gather(*(send_some() for _ in range(at_once)))
    return len(load) / (time.perf_counter() - began)


@asynccontextmanager
async def _echo() -> AsyncIterator[Callable[[bytes], Awaitable[Any]]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = await asyncio.create_subprocess_exec(sys.executable, "-c", _ECHO, str(port))
    async with open_session(f"http://127.0.0.1:{port}") as session:
        send = partial(post_body, session)
        while True:
            try:
                await send(b"{}")
                break
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.05)
        try:
            yield send
        finally:
            server.terminate()
            await server.wait()


async def _measure(target: Running, posts: int, at_once: int, step: Step) -> dict[str, Any]:
    warm_up = posts // 10
    load = generate_purchases(posts + warm_up, seed=SEED)
    async with open_feed(target.settings) as feed:
        accounts = await open_card_accounts(feed.client, load)
        ready = build_bodies(load, accounts, 1)
        step(f"{posts:,} posts of one transaction")
        await _rate(feed.push, ready[:warm_up], at_once)
        rate = await _rate(feed.push, ready[warm_up:], at_once)
    step(f"{posts:,} posts to the echo")
    async with _echo() as echo:
        await _rate(echo, ready[:warm_up], at_once)
        echoed = await _rate(echo, ready[warm_up:], at_once)
    connection = await asyncpg.connect(target.settings.database_url)
    rows = await connection.fetchrow(
        "SELECT (SELECT count(*) FROM receipts)::float8 / greatest(1, count(*)) AS n FROM ledger"
    )
    await connection.close()
    return {
        "posts_per_s": round(rate),
        "echo_posts_per_s": round(echoed),
        "ratio": round(rate / echoed, 3),
        "posts_per_message": round(rows["n"], 1),
        "concurrent": at_once,
    }


def main() -> None:
    options = parse_arguments(__doc__, posts=20_000, concurrent=64)
    origin = describe_origin(SEED)
    with show_steps("ingest", 3) as step:
        step("starting a system")
        with start_system() as target:
            result = uvloop.run(_measure(target, options.posts, options.concurrent, step))
    publish_result("ingest", result | origin | {"servers": target.versions}, options)


if __name__ == "__main__":
    main()
