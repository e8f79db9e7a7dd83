"""The yardstick: a bare COPY of finished rows, with none of the pipeline's promises.

Into an empty copy of the same partitioned table with the same indexes, over one connection.
"""

from __future__ import annotations

import time
from io import BytesIO

import asyncpg

from pipeline.settings import Settings

_TABLES = "TRUNCATE transactions, identity, receipts, ledger"


async def measure_copy(settings: Settings, chunk_rows: int) -> float:
    """Rows per second of a bare COPY of the table's rows into the same table, emptied before and after."""
    connection = await asyncpg.connect(settings.database_url)
    chunks = await _finished(connection, chunk_rows)
    await connection.execute(_TABLES)
    began = time.perf_counter()
    for data in chunks:
        await connection.copy_to_table("transactions", source=BytesIO(data), format="binary")
    seconds = time.perf_counter() - began
    rows = await connection.fetchval("SELECT count(*) FROM transactions")
    await connection.execute(_TABLES)
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
