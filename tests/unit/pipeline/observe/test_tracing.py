"""Traces: which spans there are, how they hang together, and what no span says."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack
from threading import Event
from uuid import UUID, uuid4

import numpy as np
import pytest
from aiohttp import web
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind

from api.http.middlewares import trace_request
from api.http.requests import REQUEST_ID
from api.http.routing import add_routes
from api.ingest.coalesce import Coalescer
from api.ingest.columns import PushedColumns
from api.routes import ROUTES
from pipeline.database.clock import Clock
from pipeline.errors import InvalidSettings, StoreUnavailable
from pipeline.observe import tracing
from pipeline.observe.spans import Spans
from pipeline.settings import Settings
from pipeline.transactions.chunk import Chunk
from pipeline.transactions.envelope import decode_envelope, encode_envelope
from tests.support.chunks import chunk, clock
from tests.support.doubles import ConstantScorer
from tests.support.routing import matched
from tests.unit.api.ingest.test_coalesce import Broker, rows
from workers.chunk_processor import ChunkProcessor
from workers.loop import LoopThread
from workers.model_slot import ModelSlot
from workers.resources import Resources

CALLER = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNSAMPLED = CALLER[:-1] + "0"
SECRETS = {"description": ["SECRET SHOP"], "amount": np.array([-98_761])}


class Store:
    """Says where the feeds stand, or is away."""

    away = False

    async def store_chunk(self, *_: object) -> dict[bytes, int]:
        if self.away:
            raise StoreUnavailable("secret words of a row")
        return {}


class Events:
    async def publish_event(self, *_: object) -> bool:
        return True


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    kept = InMemorySpanExporter()
    with tracing.record_spans(Spans(SimpleSpanProcessor(kept), "test", 1.0)):
        yield kept


@pytest.fixture
def resources() -> Resources:
    """Those of a worker whose servers are doubles."""
    made = Resources(LoopThread(), Settings(redis_url="redis://nowhere"), None, Clock())
    made.store, made._events = Store(), Events()  # type: ignore[assignment]
    return made


@pytest.fixture
def work(resources: Resources) -> ChunkProcessor:
    return ChunkProcessor(None, resources, ModelSlot(ConstantScorer()))  # type: ignore[arg-type]


def coalescer(broker: Broker) -> Coalescer:
    return Coalescer(
        broker, Clock(), chunk_rows=10, unconfirmed_chunks=1, pending_rows=100, lanes=1,
        gather_seconds=0,
    )  # fmt: skip


async def post(gathering: Coalescer, columns: PushedColumns, **headers: str) -> None:
    """What the API does with a post, from the route on."""

    async def push(request: web.Request) -> web.Response:
        request[REQUEST_ID] = "r-1"
        await gathering.submit_rows(clock.make_uuid7(), columns, "r-1")
        return web.Response(status=202)

    await trace_request(await matched(routed(), "POST", "/v1/transactions", headers), push)


def routed() -> web.Application:
    """An application with the table of routes and nothing behind it."""
    app = web.Application()
    add_routes(app, ROUTES)
    return app


async def pushed(*posts: tuple[PushedColumns, dict[str, str]]) -> list[Chunk]:
    """The chunks as workers read them: one of the first post, one of all others."""
    broker = Broker()
    gathering = coalescer(broker)
    async with AsyncExitStack() as stack:
        for columns, headers in posts:
            group = await stack.enter_async_context(asyncio.TaskGroup())
            group.create_task(post(gathering, columns, **headers))
            await asyncio.sleep(0)
        for number in range(min(2, len(posts))):
            await broker.reached(number + 1)
            broker.confirm(number)
    read = [decode_envelope(encode_envelope(sent, "q", 0)) for sent, _ in broker.sent]
    return [envelope.args[0] for envelope in read]


def by_name(exporter: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    return [span for span in exporter.get_finished_spans() if span.name == name]


def parent(span: ReadableSpan) -> int:
    assert span.parent is not None
    return span.parent.span_id


def span_id(span: ReadableSpan) -> int:
    return span.get_span_context().span_id


async def test_a_push_is_one_trace_from_its_client_to_the_event(
    exporter: InMemorySpanExporter, work: ChunkProcessor
) -> None:
    # When a post of a client that traces is stored
    (read,) = await pushed((rows(1, **SECRETS), {"Traceparent": CALLER}))
    await asyncio.to_thread(work.process_chunk, read)
    # Then every span is of the client's trace, each below the one that caused it
    spans = {span.name: span for span in exporter.get_finished_spans()}
    assert {span.get_span_context().trace_id for span in spans.values()} == {int(CALLER[3:35], 16)}
    request = spans["POST /v1/transactions"]
    publish, process = spans["publish chunk"], spans["process chunk"]
    assert parent(request) == int(CALLER[36:52], 16)
    assert parent(publish) == span_id(request)
    assert parent(process) == span_id(publish)
    assert {parent(spans[name]) for name in ("score", "write", "announce")} == {span_id(process)}
    assert [span.kind for span in (request, publish, process)] == [
        SpanKind.SERVER,
        SpanKind.PRODUCER,
        SpanKind.CONSUMER,
    ]
    # And they tell what is needed to find them again
    assert request.attributes == {
        "http.request.method": "POST",
        "http.route": "/v1/transactions",
        "http.response.status_code": 202,
        "spendline.request_id": "r-1",
    }
    assert process.attributes is not None
    assert process.attributes["spendline.chunk_id"] == str(UUID(bytes=read.chunk_id))
    assert process.attributes["spendline.rows"] == process.attributes["spendline.ingests"] == 1
    assert process.attributes["spendline.queue_seconds"] >= 0  # type: ignore[operator]


async def test_posts_that_share_a_message_are_linked_with_the_one_that_carries_it(
    exporter: InMemorySpanExporter, work: ChunkProcessor
) -> None:
    # Given two posts that gather behind a first one
    _, shared = await pushed(*[(rows(1), {})] * 3)
    # When their message is stored
    await asyncio.to_thread(work.process_chunk, shared)
    # Then it is in the trace of one of them, and the other is linked with it both ways
    _, publish = by_name(exporter, "publish chunk")
    (process,) = by_name(exporter, "process chunk")
    requests = {span_id(span): span for span in by_name(exporter, "POST /v1/transactions")}
    (linked,) = publish.links
    other = requests[linked.context.span_id]
    assert parent(publish) in requests
    assert parent(publish) != span_id(other)
    assert [link.context.span_id for link in other.links] == [span_id(publish)]
    assert parent(process) == span_id(publish)


async def test_a_message_follows_a_post_that_is_sampled(
    exporter: InMemorySpanExporter, work: ChunkProcessor
) -> None:
    _, shared = await pushed(
        (rows(1), {"Traceparent": UNSAMPLED}),
        (rows(1), {"Traceparent": UNSAMPLED}),
        (rows(1), {}),
    )
    await asyncio.to_thread(work.process_chunk, shared)
    (request,) = by_name(exporter, "POST /v1/transactions")
    (publish,) = by_name(exporter, "publish chunk")
    (process,) = by_name(exporter, "process chunk")
    assert (parent(publish), parent(process)) == (span_id(request), span_id(publish))


async def test_what_the_client_does_not_sample_is_recorded_nowhere(
    exporter: InMemorySpanExporter, work: ChunkProcessor
) -> None:
    (read,) = await pushed((rows(1), {"Traceparent": UNSAMPLED}))
    assert read.trace["traceparent"].startswith(UNSAMPLED[:35])
    await asyncio.to_thread(work.process_chunk, read)
    assert exporter.get_finished_spans() == ()


async def test_a_share_of_none_records_only_what_clients_sample(work: ChunkProcessor) -> None:
    kept = InMemorySpanExporter()
    with tracing.record_spans(Spans(SimpleSpanProcessor(kept), "test", 0.0)):
        await pushed((rows(1), {}))
        assert kept.get_finished_spans() == ()
        await pushed((rows(1), {"Traceparent": CALLER}))
        assert len(kept.get_finished_spans()) == 2


async def test_no_span_says_what_is_in_a_row_or_whose_it_is(
    exporter: InMemorySpanExporter, work: ChunkProcessor
) -> None:
    columns = rows(1, **SECRETS)
    headers = {"Traceparent": CALLER, "Tracestate": "secret=1", "Authorization": "Bearer secret"}
    (read,) = await pushed((columns, headers))
    await asyncio.to_thread(work.process_chunk, read)
    told = "".join(span.to_json() for span in exporter.get_finished_spans()).lower()
    ids = [UUID(bytes=owner) for owners in columns.owners for owner in owners]
    for secret in ("secret", "98761", *map(str, ids), *(i.hex for i in ids)):
        assert secret not in told


def test_a_failure_is_told_by_its_kind(
    exporter: InMemorySpanExporter, work: ChunkProcessor, resources: Resources
) -> None:
    resources.store.away = True  # type: ignore[attr-defined]
    with pytest.raises(StoreUnavailable):
        work.process_chunk(chunk())
    for name in ("write", "process chunk"):
        (span,) = by_name(exporter, name)
        assert not span.status.is_ok
        assert span.attributes is not None
        assert span.attributes["error.type"] == "StoreUnavailable"
    assert "secret words" not in "".join(s.to_json() for s in exporter.get_finished_spans())


@pytest.mark.parametrize(("status", "ok"), [(422, True), (503, False)])
async def test_a_request_has_failed_when_it_is_our_fault(
    exporter: InMemorySpanExporter, status: int, *, ok: bool
) -> None:
    async def answer(request: web.Request) -> web.Response:
        request[REQUEST_ID] = "r-1"
        return web.Response(status=status)

    await trace_request(await matched(routed(), "POST", "/v1/transactions"), answer)
    (span,) = exporter.get_finished_spans()
    assert span.status.is_ok is ok


async def test_probes_are_not_traced(exporter: InMemorySpanExporter) -> None:
    async def answer(_: web.Request) -> web.Response:
        return web.Response()

    await trace_request(await matched(routed(), "GET", "/livez"), answer)
    assert exporter.get_finished_spans() == ()


def test_a_chunk_from_a_process_that_does_not_trace_begins_a_trace(
    exporter: InMemorySpanExporter, work: ChunkProcessor
) -> None:
    work.process_chunk(chunk(trace={uuid4().hex: "r-1"}))
    (process,) = by_name(exporter, "process chunk")
    assert process.parent is None


def test_the_end_does_not_wait_for_a_collector_that_hangs() -> None:
    class Hanging(SpanExporter):
        answered = Event()

        def export(self, _: object) -> None:  # type: ignore[override]
            self.answered.wait()

    spans = Spans(BatchSpanProcessor(Hanging(), schedule_delay_millis=1), "test", 1.0)
    with spans.open_span("one", "internal", None, (), {}):
        pass
    spans.stop(seconds=0.05)
    assert not Hanging.answered.is_set()
    Hanging.answered.set()


OFF = """
import redis.asyncio  # where OpenTelemetry is installed, it imports its metrics for itself
before = set(sys.modules)
import api.__main__, workers.app
from pipeline.observe import tracing
from pipeline.settings import Settings
with tracing.export_spans(Settings(), "test"), tracing.open_span("one", "producer", among=[tracing.get_span()]):
    tracing.add_attributes(rows=1)
    assert tracing.make_carrier() == {}
imported = set(sys.modules) - before
print(sorted(n for n in imported if n.startswith(("opentelemetry", "pipeline.observe.spans", "requests"))))
"""


@pytest.mark.slow
@pytest.mark.parametrize("absent", ["", "sys.modules['opentelemetry'] = None\n"])
def test_without_a_collector_nothing_is_imported_or_needed(absent: str) -> None:
    program = f"import sys\n{absent}{OFF}"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_a_collector_without_the_extra_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "pipeline.observe.spans", None)
    settings = Settings(traces_url="http://127.0.0.1:4318/v1/traces")
    with (
        pytest.raises(InvalidSettings, match=r"pip install 'spendline\[traces\]'"),
        tracing.export_spans(settings, "test"),
    ):
        pytest.fail("it began without the extra")
