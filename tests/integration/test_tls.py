"""TLS to every server by its URL alone: spoken, and refused when the certificate is not trusted."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pika
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from pipeline.cache.connection import open_redis
from pipeline.database.clock import Clock
from pipeline.database.pool import open_pool
from pipeline.errors import BrokerUnavailable, StoreUnavailable
from pipeline.queue.connection import connection_parameters
from pipeline.queue.publisher import Publisher
from pipeline.queue.topology import Queues, declare_queues
from pipeline.settings import Settings

_SSL_REQUEST = 8  # bytes with which a client of PostgreSQL asks for TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for localhost that signs itself; its key lies beside it."""
    folder = tmp_path_factory.mktemp("tls")
    subprocess.run(
        [
            "openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2",
            "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
            "-keyout", folder / "key.pem", "-out", folder / "cert.pem",
        ],
        check=True, capture_output=True,
    )  # fmt: skip
    return folder / "cert.pem"


@contextlib.asynccontextmanager
async def tls_before(url: str, certificate: Path) -> AsyncIterator[str]:
    """The server of the URL behind TLS: `user:password@localhost:port/path`."""
    target = urlsplit(url)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            if target.scheme == "postgresql":
                await reader.readexactly(_SSL_REQUEST)
                writer.write(b"S")
                await writer.drain()
            await writer.start_tls(context)
            inward = await asyncio.open_connection(target.hostname, target.port)
            await asyncio.gather(pump(reader, inward[1]), pump(inward[0], writer))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield f"{target.netloc.rpartition('@')[0]}@localhost:{port}{target.path}"
    finally:
        server.close()


async def test_postgresql_over_tls(settings: Settings, certificate: Path) -> None:
    async with tls_before(settings.database_url, certificate) as address:
        url = f"postgresql://{address}?sslmode=verify-full&sslrootcert={certificate}"
        async with await open_pool(url, size=1, name="test", timeout=10) as pool:
            assert await pool.fetchval("SELECT 1") == 1
        others = ssl.get_default_verify_paths().openssl_cafile
        untrusted = f"postgresql://{address}?sslmode=verify-full&sslrootcert={others}"
        with pytest.raises(StoreUnavailable):
            await open_pool(untrusted, size=1, name="test", timeout=10)


async def test_redis_over_tls(settings: Settings, certificate: Path) -> None:
    async with tls_before(settings.redis_url, certificate) as address:
        async with open_redis(
            f"rediss://{address}?ssl_ca_certs={certificate}", timeout=10
        ) as redis:
            assert await redis.ping()
        async with open_redis(f"rediss://{address}", timeout=10) as redis:
            with pytest.raises(RedisConnectionError):
                await redis.ping()


async def test_rabbitmq_over_tls(settings: Settings, certificate: Path) -> None:
    declare_queues(settings.broker_url, settings.queue_prefix, settings.queue_bound)
    queue = Queues(settings.queue_prefix).ingest
    async with tls_before(settings.broker_url, certificate) as address:
        url = f"amqps://{address}?cafile={certificate}"
        # The client of workers
        connection = await asyncio.to_thread(pika.BlockingConnection, connection_parameters(url))
        await asyncio.to_thread(connection.close)
        # The client of the API
        publisher = Publisher(url, queue, Clock(), 10)
        await publisher.start()
        try:
            async with asyncio.timeout(10):
                while publisher.trouble:  # noqa: ASYNC110 - it connects by itself
                    await asyncio.sleep(0.02)
        finally:
            await publisher.stop()
        with pytest.raises(BrokerUnavailable):
            await asyncio.to_thread(declare_queues, f"amqps://{address}", "tls", 10)
