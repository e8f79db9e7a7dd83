"""What the cache saves: a realistic mix of reads with writes beside it, cache on against off.

    python -m benchmarks.cache [--reads N] [--users N] [--json]

Of a hundred reads 60 are spending insights (most readers hold an ETag), 25 first pages of the feed,
15 syncs. Readers come back to the same few users, as people do. A batch of transactions arrives
after every fifty reads and moves its users' feeds on.
"""

from __future__ import annotations

import asyncio
import random
from typing import Any

import asyncpg
import uvloop

from benchmarks.flood import flood
from benchmarks.machine import provenance
from benchmarks.progress import steps
from benchmarks.report import arguments, publish
from benchmarks.running import Client, Running, connected, running
from benchmarks.workload import bodies, purchases

SEED = 17
_HISTORY = 40_000
_MIX = (
    ("insights/spending?month=2016-{:02d}", 60),
    ("transactions?limit=50", 25),
    ("transactions/sync?limit=50", 15),
)
_READERS = 8
_READS_PER_WRITE = 50
_WRITE_ROWS = 5


class Reader:
    """Apps of many users: each path is asked again with the ETag of its last answer."""

    def __init__(self, client: Client, users: list[str], seed: int) -> None:
        self._client = client
        self._users = users
        self._draw = random.Random(seed)
        self._tags: dict[str, str] = {}
        self.hits = 0
        self.reads = 0

    async def read(self) -> None:
        user = self._users[min(int(self._draw.paretovariate(0.7)), len(self._users)) - 1]
        (kind,) = self._draw.choices([path for path, _ in _MIX], [share for _, share in _MIX])
        path = f"/v1/users/{user}/{kind.format(self._draw.randint(1, 3))}"
        tag = self._tags.get(path)
        headers = {"If-None-Match": tag} if tag else {}
        async with self._client.session.get(path, headers=headers) as answer:
            await answer.read()
            if answer.status not in {200, 304}:
                answer.raise_for_status()
            self._tags[path] = answer.headers["ETag"]
            self.hits += "hit" in answer.headers.get("Cache-Status", "")
            self.reads += 1


async def _sql_calls(url: str) -> int:
    connection = await asyncpg.connect(url)
    await connection.execute("SELECT pg_stat_force_next_flush()")
    calls = await connection.fetchval(
        "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
    )
    await connection.close()
    return int(calls)


async def _measure(target: Running, reads: int, users: int) -> dict[str, float]:
    load = purchases(_HISTORY, seed=SEED)
    late = purchases(_WRITE_ROWS * (reads // _READS_PER_WRITE), seed=SEED + 1, label="")
    async with connected(target.settings) as client:
        accounts, owners = await client.register(load)
        await flood(client, bodies(load, accounts, 2_000), 2_000)
        readers = sorted(set(owners.values()))[:users]
        fresh = [
            p.body(accounts[p.card]) | {"transaction_id": f"late-{n}"}
            for n, p in enumerate(late)
            if p.card in accounts
        ]
        calls, spent = await _sql_calls(target.settings.database_url), target.cpu()
        reader = Reader(client, readers, SEED)
        await _mixed(client, reader, reads, fresh)
        after = target.cpu()
        return {
            "hit_rate": reader.hits / reader.reads,
            "sql": await _sql_calls(target.settings.database_url) - calls,
            "database_cpu": after.get("postgres", 0.0) - spent.get("postgres", 0.0),
            "api_cpu": after["api"] - spent["api"],
        }


async def _mixed(client: Client, reader: Reader, reads: int, fresh: list[dict[str, Any]]) -> None:
    left = iter(range(reads))
    batches = iter(range(0, len(fresh), _WRITE_ROWS))

    async def one() -> None:
        for number in left:
            await reader.read()
            if number % _READS_PER_WRITE == 0 and (start := next(batches, None)) is not None:
                await client.post(
                    "/v1/transactions", {"transactions": fresh[start : start + _WRITE_ROWS]}
                )

    await asyncio.gather(*(one() for _ in range(_READERS)))


def main() -> None:
    given = arguments(__doc__, reads=12_000, users=100)
    told, figures = provenance(SEED), []
    with steps("cache", 2) as step:
        for seconds in (60, 0):
            step(f"{given.reads:,} reads with the cache {'on' if seconds else 'off'}")
            with running(workers=1, cache_seconds=seconds) as target:
                figures.append(uvloop.run(_measure(target, given.reads, given.users)))
    on, off = figures
    result = {
        "reads": given.reads,
        "users": given.users,
        "hit_rate": round(on["hit_rate"], 3),
        "sql_saved": _saved(on, off, "sql"),
        "database_cpu_saved": _saved(on, off, "database_cpu"),
        "api_cpu_saved": _saved(on, off, "api_cpu"),
        "on": on,
        "off": off,
    }
    publish("cache", result | told | {"servers": target.versions}, given)


def _saved(on: dict[str, float], off: dict[str, float], name: str) -> float | None:
    """A share; None when it could not be seen, as the CPU of servers that are not our own."""
    return round(1 - on[name] / off[name], 3) if off[name] else None


if __name__ == "__main__":
    main()
