"""A system under traffic whose metrics and logs are looked at."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import asyncpg
import msgspec
import numpy as np
import pika
from prometheus_client.parser import text_string_to_metric_families

from pipeline.access.tokens import SCOPES, Tokens
from pipeline.queue.topology import Queues
from pipeline.settings import Settings
from pipeline.transactions.envelope import encode_envelope
from tests.support.chunks import chunk, register
from tests.support.raw_client import RawClient, purchase
from workers.local.supervisor import System

SECRET_WORDS = "QUINOA PALACE 77"
SECRET_AMOUNT = "-98761.23"


@dataclass
class Observed:
    """The processes, and what was pushed through them."""

    settings: Settings
    system: System
    folder: Path
    api_ports: list[int]
    worker_ports: list[int]
    tokens: list[str] = field(default_factory=list)
    rows: int = 0

    def total(self, name: str, **labels: str) -> float:
        """The sum of a sample over all processes."""
        return sum(
            sample.value
            for port in [*self.api_ports, *self.worker_ports]
            for family in text_string_to_metric_families(scrape(port))
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def lines(self) -> list[dict[str, Any]]:
        """The JSON lines of all processes."""
        logs = "".join(log.read_text() for log in self.folder.glob("*.log"))
        return [msgspec.json.decode(line) for line in logs.splitlines() if line.startswith("{")]

    def text(self) -> str:
        return "".join(log.read_text() for log in self.folder.glob("*.log"))


class Traffic:
    """Pushes and reads, right and wrong ones, of one client."""

    def __init__(
        self, observed: Observed, http: aiohttp.ClientSession, pool: asyncpg.Pool, client: RawClient
    ) -> None:
        self._observed = observed
        self._pool = pool
        self._http = http
        self._client = client

    @classmethod
    async def open(
        cls, observed: Observed, http: aiohttp.ClientSession, pool: asyncpg.Pool
    ) -> Traffic:
        made = await Tokens(pool).create_token("test", SCOPES)
        assert made is not None
        observed.tokens.append(made.text)
        return cls(observed, http, pool, RawClient(http, made.text, made.token_id))

    async def push(self, rows: int) -> dict[str, str]:
        """Push `rows` purchases of a new user, and wait for them; returns the account."""
        account = await self._client.new_account(f"user-{uuid4().hex}")
        await self._client.push(
            *(
                purchase(account, description=SECRET_WORDS, amount=SECRET_AMOUNT)
                for _ in range(rows)
            )
        )
        self._observed.rows += rows
        return account

    async def read(self, account: dict[str, str]) -> None:
        """Read the feed and the insight twice, then once more without a token."""
        user = f"/v1/users/{account['user_id']}"
        for path in (f"{user}/transactions", f"{user}/insights/spending") * 2:
            answer = await self._client.get(path)
            assert answer.status == 200, answer
        async with self._http.get(f"{user}/transactions") as refused:
            assert refused.status == 401

    async def round(self) -> None:
        await self.read(await self.push(20))

    async def fail(self) -> None:
        """Put a chunk into the queue whose dates no partition holds."""
        settings = self._observed.settings
        lost = chunk(2, booked_on=np.full(2, 60_000, np.int32).tobytes())
        await register(self._pool, lost)
        queue = Queues(settings.queue_prefix).ingest
        body = encode_envelope(lost, queue, 0)
        with closing(
            pika.BlockingConnection(pika.URLParameters(settings.broker_url))
        ) as connection:
            connection.channel().basic_publish("", queue, body)


def scrape(port: int) -> str:
    with closing(socket.create_connection(("127.0.0.1", port), timeout=5)) as connection:
        connection.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    return answer.partition(b"\r\n\r\n")[2].decode()


def answers(port: int) -> Callable[[], bool]:
    def look() -> bool:
        try:
            return bool(scrape(port))
        except OSError:
            return False

    return look


def free_ports(count: int) -> int:
    """The first of that many free ports in a row."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            first: int = probe.getsockname()[1]
        if first + count < 65536 and all(_free(port) for port in range(first, first + count)):
            return first


def _free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True
