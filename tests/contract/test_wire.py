"""Requests that are broken below the level of routes, as raw bytes."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from pipeline.settings import Settings
from tests.support.raw_client import RawClient
from workers.local.supervisor import System

BROKEN = {
    "a header without colon": b"GET /livez HTTP/1.1\r\nHost: x\r\nno colon secret\r\n\r\n",
    "a huge header": b"GET /livez HTTP/1.1\r\nHost: x\r\nX-A: " + b"secret" * 9_000 + b"\r\n\r\n",
    "no HTTP": b"secret\r\n\r\n",
    "two framings": b"POST /v1/users HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a bad chunk": b"POST /v1/users HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
}


async def send(own: Settings, request: bytes, *, end: bool = False) -> bytes:
    """The whole answer, until the server closes."""
    reader, writer = await asyncio.open_connection(own.api_host, own.api_port)
    try:
        writer.write(request)
        if end:
            writer.write_eof()
        async with asyncio.timeout(10):
            return await reader.read()
    finally:
        writer.close()


@pytest.mark.parametrize("request_bytes", BROKEN.values(), ids=BROKEN.keys())
async def test_what_is_not_http_is_refused_as_a_problem_and_not_logged(
    own: Settings, system: System, request_bytes: bytes
) -> None:
    head, _, body = (await send(own, request_bytes)).partition(b"\r\n\r\n")
    assert b" 400 " in head.split(b"\r\n")[0]
    assert b"application/problem+json" in head
    assert msgspec.json.decode(body)["status"] == 400
    assert b"secret" not in body
    assert b"secret" not in (system.folder / "api.log").read_bytes()


async def test_a_body_that_breaks_off_takes_nothing_and_is_no_defect(
    own: Settings, system: System, client: RawClient
) -> None:
    authorization = client.headers["Authorization"]
    head = (
        f"POST /v1/users HTTP/1.1\r\nHost: x\r\nAuthorization: {authorization}\r\n"
        "Content-Type: application/json\r\n"
    ).encode()
    await send(own, head + b"Content-Length: 10\r\n\r\n{}", end=True)
    await send(own, head + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", end=True)
    assert b"failed" not in (system.folder / "api.log").read_bytes()
    assert (await client.get("/livez")).status == 200


async def test_expectations(own: Settings, system: System) -> None:
    head = b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: "
    assert b"200 OK" in await send(own, head + b"100-continue\r\n\r\n")
    assert b"200 OK" in await send(own, head + b"miracles\r\n\r\n")
