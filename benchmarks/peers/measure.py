"""Times the peers: from the first message sent to the last row visible, the median of some rounds."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from uuid import uuid4

import psycopg

from benchmarks.harness.running import open_servers
from benchmarks.harness.workload import Purchase, generate_purchases
from benchmarks.peers import ordinary
from benchmarks.peers.labels import read_brands

_PATTERNS = 2_300
_SQL_BATCH = 500
_ROUNDS = 3
_WARM_UP = 50  # rows that wait for the workers to boot, before the clock starts
_BOOT_SECONDS = 120.0
_BIN = Path(sys.executable).parent

_RULES = """
CREATE TABLE rules (pattern text NOT NULL, category text NOT NULL);
CREATE TABLE incoming (id text, card text, booked_on date, amount numeric, description text)"""
_CATEGORIZE = """
INSERT INTO ordinary
SELECT i.id, i.card, i.booked_on, i.amount, i.description, coalesce((
    SELECT r.category FROM rules r WHERE i.description ILIKE r.pattern
    ORDER BY length(r.pattern) DESC LIMIT 1), 'OTHER_OTHER')
FROM incoming i ON CONFLICT DO NOTHING"""


def measure_peers(rows: int, seed: int) -> dict[str, float]:
    """Transactions per second of each peer, with as many processes as there are cores."""
    load = [_row(purchase, n) for n, purchase in enumerate(generate_purchases(rows, seed=seed))]
    with open_servers() as (_, urls):
        return {
            "naive_tx_per_s": _queued(_dramatiq, load, urls.database, urls.broker),
            "celery_tx_per_s": _queued(_celery, load, urls.database, urls.broker),
            "sql_tx_per_s": _in_sql(load, urls.database),
        }


def _row(purchase: Purchase, number: int) -> dict[str, str]:
    return {
        "id": f"{number}",
        "card": purchase.card,
        "date": purchase.date,
        "amount": f"{purchase.amount / 100:.2f}",
        "description": purchase.merchant,
    }


Send = Callable[[dict[str, str]], object]


def _queued(
    start: Callable[[], tuple[list[str], Callable[[], Send]]],
    load: list[dict[str, str]],
    database: str,
    broker: str,
) -> float:
    with _database(database) as url:
        os.environ |= {
            "PEER_DATABASE_URL": url,
            "PEER_BROKER_URL": broker,
            "PEER_QUEUE": f"peer-{uuid4().hex[:8]}",
        }
        command, sender = start()
        worker = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ
        )
        try:
            return _timed(sender(), load, url)
        finally:
            worker.terminate()
            worker.wait()


def _dramatiq() -> tuple[list[str], Callable[[], Send]]:
    processes = str(len(os.sched_getaffinity(0)))
    arguments = ["--processes", processes, "--threads", "4"]

    def load_sender() -> Send:
        from benchmarks.peers.naive_dramatiq import categorize  # noqa: PLC0415 - reads its URLs

        return categorize.send

    return [str(_BIN / "dramatiq"), "benchmarks.peers.naive_dramatiq", *arguments], load_sender


def _celery() -> tuple[list[str], Callable[[], Send]]:
    processes = str(len(os.sched_getaffinity(0)))
    arguments = ["-A", "benchmarks.peers.naive_celery", "worker", "--concurrency", processes]

    def load_sender() -> Send:
        from benchmarks.peers.naive_celery import categorize  # noqa: PLC0415 - reads its URLs

        send: Send = categorize.delay
        return send

    return [str(_BIN / "celery"), *arguments], load_sender


def _timed(send: Send, load: list[dict[str, str]], url: str) -> float:
    with psycopg.connect(url, autocommit=True) as connection:
        for number in range(_WARM_UP):
            send(load[0] | {"id": f"warm-{number}"})
        _wait_for(connection, _WARM_UP)
        return median(_round(send, rows, connection) for rows in _rounds(load))


def _rounds(load: list[dict[str, str]]) -> Iterator[list[dict[str, str]]]:
    """The load as often as there are rounds, as transactions of its own each time."""
    for number in range(_ROUNDS):
        yield [row | {"id": f"{number}-{row['id']}"} for row in load]


def _round(send: Send, load: list[dict[str, str]], connection: psycopg.Connection) -> float:
    there = _count(connection)
    began = time.perf_counter()
    for row in load:
        send(row)
    _wait_for(connection, there + len(load))
    return len(load) / (time.perf_counter() - began)


def _wait_for(connection: psycopg.Connection, rows: int) -> None:
    deadline = time.monotonic() + _BOOT_SECONDS
    while _count(connection) < rows:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{rows} rows did not arrive in {_BOOT_SECONDS:.0f} s")
        time.sleep(0.02)


def _count(connection: psycopg.Connection) -> int:
    row = connection.execute("SELECT count(*) FROM ordinary").fetchone()
    return int(row[0]) if row else 0


def _in_sql(load: list[dict[str, str]], database: str) -> float:
    chosen = random.Random(_PATTERNS).sample(read_brands(), _PATTERNS)
    rules = [(f"%{name}%", tag) for name, tag in chosen]
    with _database(database) as url, psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_RULES)
        with connection.cursor().copy("COPY rules FROM STDIN") as copy:
            for rule in rules:
                copy.write_row(rule)
        return median(_round_in_sql(connection, rows) for rows in _rounds(load))


def _round_in_sql(connection: psycopg.Connection, load: list[dict[str, str]]) -> float:
    began = time.perf_counter()
    for start in range(0, len(load), _SQL_BATCH):
        _batch_in_sql(connection, load[start : start + _SQL_BATCH])
    return len(load) / (time.perf_counter() - began)


def _batch_in_sql(connection: psycopg.Connection, batch: list[dict[str, str]]) -> None:
    with connection.transaction():
        with connection.cursor().copy("COPY incoming FROM STDIN") as copy:
            for row in batch:
                copy.write_row(tuple(row.values()))
        connection.execute(_CATEGORIZE)
        connection.execute("TRUNCATE incoming")


@contextmanager
def _database(server: str) -> Iterator[str]:
    name = f"spendline_peer_{uuid4().hex[:8]}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        url = server.rpartition("/")[0] + "/" + name
        try:
            with psycopg.connect(url, autocommit=True) as fresh:
                fresh.execute(ordinary.TABLE)
            yield url
        finally:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
