"""What a result must say of where it came from."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import aiormq
import asyncpg
import redis.asyncio

from workers.local.stack import ServerUrls

_PACKAGES = (
    "aiohttp",
    "aio-pika",
    "asyncpg",
    "celery",
    "dramatiq",
    "fasttext-wheel",
    "numba",
    "numpy",
    "psycopg",
    "scikit-learn",
    "uvloop",
)
_TREE = Path(__file__).parents[2]
_NOT_MEASURED = (":!benchmarks/results", ":!*.md")  # what the benchmarks themselves write
_POSTGRES_SETTINGS = ("fsync", "synchronous_commit", "full_page_writes", "shared_buffers")


def describe_origin(seed: int) -> dict[str, Any]:
    """Machine, versions, commit, time and seed of a result; asked for before anything is measured."""
    return {
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gigabytes": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 1e9),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": {name: version(name) for name in _PACKAGES},
        "commit": _commit(),
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": seed,
    }


async def read_server_versions(urls: ServerUrls) -> dict[str, str]:
    """Versions of the servers, and what PostgreSQL promises about its disk."""
    database = await asyncpg.connect(urls.database)
    names = ("server_version", *_POSTGRES_SETTINGS)
    postgres = [await database.fetchval(f"SHOW {name}") for name in names]
    await database.close()
    broker = await aiormq.connect(urls.broker)
    rabbitmq = broker.server_properties["version"]
    await broker.close()
    async with redis.asyncio.Redis.from_url(urls.redis) as cache:
        redis_version = (await cache.info("server"))["redis_version"]
    durability = ", ".join(
        f"{name} {value}" for name, value in zip(_POSTGRES_SETTINGS, postgres[1:], strict=True)
    )
    return {
        "postgresql": f"{postgres[0]}; {durability}",
        "rabbitmq": str(rabbitmq.decode() if isinstance(rabbitmq, bytes) else rabbitmq),
        "redis": str(redis_version),
    }


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(": ")[2]
    return "unknown"


def _commit() -> str:
    """Of the tree that this file is in; `-dirty` when code differs from it."""
    try:
        commit = _git("rev-parse", "--short", "HEAD")
        changed = _git("status", "--porcelain", "--", ".", *_NOT_MEASURED)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return f"{commit}-dirty" if changed else commit


def _git(*arguments: str) -> str:
    run = subprocess.run(
        ["git", "-C", str(_TREE), *arguments], capture_output=True, text=True, check=True
    )
    return run.stdout.strip()
