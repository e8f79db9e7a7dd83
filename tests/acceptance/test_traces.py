"""Traces of real processes, as a collector receives them; and what one that is away costs."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import NamedTuple

import aiohttp
import asyncpg
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from pipeline.access.tokens import SCOPES, Tokens
from pipeline.settings import Settings
from tests.integration.observed import free_ports
from tests.support.raw_client import RawClient, purchase
from workers.local.supervisor import System

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Received(NamedTuple):
    service: str
    name: str
    trace: str
    id: str
    parent: str


class Collector(ThreadingHTTPServer):
    """Takes OTLP over HTTP and keeps the spans."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Export)
        self.spans: list[Received] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1/traces"


class _Export(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.spans += _spans(ExportTraceServiceRequest.FromString(body))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


def _spans(request: ExportTraceServiceRequest) -> Iterator[Received]:
    for of_service in request.resource_spans:
        resource = {a.key: a.value.string_value for a in of_service.resource.attributes}
        for of_scope in of_service.scope_spans:
            for span in of_scope.spans:
                yield Received(
                    resource["service.name"],
                    span.name,
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                )


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as server:
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@asynccontextmanager
async def serving(
    own: Settings, pool: asyncpg.Pool, folder: Path, traces_url: str
) -> AsyncIterator[tuple[System, RawClient, dict[str, str]]]:
    """An API and a worker that trace, a client and an account of it."""
    port = free_ports(1)
    ours = replace(
        own, api_port=port, api_metrics_port=0, worker_metrics_port=0, traces_url=traces_url
    )
    made = await Tokens(pool).create_token("traces", SCOPES)
    assert made is not None
    async with aiohttp.ClientSession(f"http://{ours.api_host}:{port}") as http:
        with System(ours, folder) as system:
            system.start_process("api", "api")
            system.start_process("worker", "workers")
            system.wait_until_ready()
            client = RawClient(http, made.text, made.token_id)
            yield system, client, await client.new_account("somebody")


async def test_a_push_is_one_trace_across_the_queue(
    own: Settings, pool: asyncpg.Pool, tmp_path: Path, collector: Collector
) -> None:
    # Given processes that trace, and a client that does
    async with serving(own, pool, tmp_path, collector.url) as (system, client, account):
        # When it pushes, and the rows are visible
        body = {"transactions": [purchase(account) for _ in range(3)]}
        accepted = await client.post("/v1/transactions", body, {"traceparent": CALLER})
        receipt = await client.get(accepted.headers["Location"], wait=20)
        assert receipt.body["status"] == "stored"
        # And the processes end, which sends what is left
        assert [system.stop_process(name) for name in ("api", "worker")] == [0, 0]
    # Then one trace goes from the client over both processes to the event
    mine = {span.name: span for span in collector.spans if span.trace == CALLER[3:35]}
    publish, process = mine["publish chunk"], mine["process chunk"]
    assert mine["POST /v1/transactions"].parent == CALLER[36:52]
    assert publish.parent == mine["POST /v1/transactions"].id
    assert process.parent == publish.id
    assert {mine[name].parent for name in ("score", "write", "announce")} == {process.id}
    assert (publish.service, process.service) == ("spendline-api", "spendline-worker")


@pytest.mark.parametrize("how", ["refuses", "hangs"])
async def test_a_collector_that_is_away_costs_nothing(
    own: Settings, pool: asyncpg.Pool, tmp_path: Path, how: str
) -> None:
    # Given a port that nobody listens on, or whose listener never answers
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        if how == "hangs":
            deaf.listen()
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/v1/traces"
        async with serving(own, pool, tmp_path, url) as (system, client, account):
            # When rows are pushed
            for _ in range(5):
                await client.push(purchase(account))
            # Then they are stored, and the processes end in good order
            assert [system.stop_process(name) for name in ("api", "worker")] == [0, 0]
