"""From the POST of the first row to the visibility of the last: the whole system on this machine.

    python -m benchmarks.pipeline [--rows N] [--batch N] [--workers N] [--json]

All processes run here, with full semantics: identity, positions, ledger, event. The yardstick of
the same run is a bare COPY of the same finished rows into an empty copy of the same partitioned
table with the same indexes, over one connection, in chunks of the same size.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from io import BytesIO
from typing import Any

import asyncpg

from benchmarks.machine import peak_megabytes, provenance
from benchmarks.report import arguments, publish
from benchmarks.running import Client, Running, connected, pid, running
from benchmarks.workload import bodies, purchases
from pipeline.settings import Settings

SEED = 7
_CONCURRENT = 8  # requests on their way
_TABLES = "TRUNCATE transactions, identity, receipts, ledger"


async def flood(client: Client, load: Sequence[bytes]) -> tuple[float, dict[str, int]]:
    """Push all bodies and wait for all receipts; seconds, and the sum of the receipts."""
    gate = asyncio.Semaphore(_CONCURRENT)

    async def one(body: bytes) -> dict[str, Any]:
        async with gate:
            ingest = await client.push(body)
        return await client.stored(ingest)

    began = time.perf_counter()
    receipts = await asyncio.gather(*(one(body) for body in load))
    seconds = time.perf_counter() - began
    if any(receipt["status"] != "stored" for receipt in receipts):
        raise RuntimeError("an ingest failed")
    names = ("added", "modified", "unchanged")
    return seconds, {name: sum(receipt[name] for receipt in receipts) for name in names}


async def _copied(settings: Settings, chunk_rows: int) -> float:
    """Rows per second of a bare COPY of the table's rows into the same table, emptied."""
    connection = await asyncpg.connect(settings.database_url)
    chunks = await _finished(connection, chunk_rows)
    await connection.execute(_TABLES)
    began = time.perf_counter()
    for data in chunks:
        await connection.copy_to_table("transactions", source=BytesIO(data), format="binary")
    seconds = time.perf_counter() - began
    rows = await connection.fetchval("SELECT count(*) FROM transactions")
    await connection.close()
    return float(rows / seconds)


async def _finished(connection: asyncpg.Connection, chunk_rows: int) -> list[bytes]:
    """The finished rows as binary COPY data, in the order in which they were written."""
    await connection.execute(
        "CREATE TEMP TABLE finished AS SELECT row_number() OVER (ORDER BY accepted_at) AS n, t.* "
        "FROM transactions t"
    )
    await connection.execute("CREATE INDEX ON finished (n)")
    rows = await connection.fetchval("SELECT count(*) FROM finished")
    columns = await connection.fetchval(
        "SELECT string_agg(attname, ', ' ORDER BY attnum) FROM pg_attribute "
        "WHERE attrelid = 'transactions'::regclass AND attnum > 0"
    )
    chunks = []
    for start in range(1, rows + 1, chunk_rows):
        out = BytesIO()
        query = f"SELECT {columns} FROM finished WHERE n >= $1 AND n < $2"  # noqa: S608 - catalog
        await connection.copy_from_query(
            query, start, start + chunk_rows, output=out, format="binary"
        )
        chunks.append(out.getvalue())
    return chunks


async def _measure(target: Running, rows: int, batch: int) -> dict[str, Any]:
    load = purchases(rows, seed=SEED)
    async with connected(target.settings) as client:
        accounts, _ = await client.register(load)
        warm = purchases(2_000, seed=SEED, label="warm-")
        warm_accounts, _ = await client.register(warm)
        await flood(client, bodies(warm, warm_accounts, 500))
        before = target.cpu()
        seconds, receipts = await flood(client, bodies(load, accounts, batch))
        cpu = {kind: spent - before[kind] for kind, spent in target.cpu().items()}
    per_second = rows / seconds
    copy = await _copied(target.settings, target.settings.chunk_rows)
    return {
        "rows": rows,
        "batch": batch,
        "users": len(accounts),
        "seconds": round(seconds, 3),
        "pipeline_tx_per_s": round(per_second),
        "copy_tx_per_s": round(copy),
        "ratio": round(per_second / copy, 3),
        "receipts": receipts,
        "cpu_us_per_tx": {kind: round(spent / rows * 1e6, 1) for kind, spent in cpu.items()},
        "peak_megabytes": {
            name: peak_megabytes(pid(target.system.child(name)))
            for name in (*target.apis, *target.workers)
        },
    }


def measure(rows: int, batch: int, workers: int, apis: int = 1) -> dict[str, Any]:
    """One run on a fresh system."""
    with running(apis=apis, workers=workers) as target:
        return {"workers": workers, "apis": apis} | asyncio.run(_measure(target, rows, batch))


def main() -> None:
    given = arguments(__doc__, rows=100_000, batch=2_000, workers=2)
    result = measure(given.rows, given.batch, given.workers) | provenance(SEED)
    publish("pipeline", result, as_json=given.json)


if __name__ == "__main__":
    main()
