"""Push the transactions of a CSV file, and wait for the receipt of each batch.

    API=http://127.0.0.1:8080 TOKEN=... python examples/push_file.py FILE.csv --user ann

The file has the columns transaction_id, date, description and amount; mcc is optional. The last line
of the output is the user id. A push is safe to repeat: a stored transaction does not change.
"""

import argparse
import asyncio
import csv
import os
import random
import sys
from pathlib import Path
from typing import Any

import aiohttp

BATCH = 500
BUSY = {429, 502, 503, 504}
PAUSES = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0)  # seconds between tries


async def call(http: aiohttp.ClientSession, method: str, path: str, **options: Any) -> Any:
    """Return the JSON of the answer; retry while the API is away or busy."""
    for pause in PAUSES:
        seconds, reason = pause, "no connection"
        try:
            async with http.request(method, path, **options) as response:
                body = await response.json(content_type=None)
                if response.ok:
                    return body
                if response.status not in BUSY:
                    sys.exit(f"{path} is refused with {response.status}: {body}")
                seconds = float(response.headers.get("Retry-After", pause))
                reason = f"status {response.status}"
        except (aiohttp.ClientConnectionError, TimeoutError):
            pass
        print(f"retry of {path}: {reason}", file=sys.stderr, flush=True)
        await asyncio.sleep(seconds * random.uniform(1.0, 1.5))  # noqa: S311 - jitter is no secret
    sys.exit(f"{path} is not answered after {len(PAUSES)} tries")


async def push_batch(http: aiohttp.ClientSession, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Push one batch and return its receipt once all its rows are stored."""
    accepted = await call(http, "POST", "/v1/transactions", json={"transactions": rows})
    path = f"/v1/ingests/{accepted['ingest_id']}?wait=20"
    while (receipt := await call(http, "GET", path))["status"] == "queued":
        continue
    if receipt["status"] == "failed":
        sys.exit(f"rows are not stored: {receipt['reason']}")
    return dict(receipt)


async def push_file(file: Path, user: str, account: str, currency: str) -> None:
    """Open the account, push the file in batches, and print what each receipt counts."""
    base = os.environ.get("API", "http://127.0.0.1:8080")
    header = {"Authorization": f"Bearer {os.environ['TOKEN']}"}
    async with aiohttp.ClientSession(base, headers=header) as http:
        owner = (await call(http, "POST", "/v1/users", json={"external_id": user}))["user_id"]
        wanted = {"user_id": owner, "external_id": account, "currency": currency}
        opened = await call(http, "POST", "/v1/accounts", json=wanted)
        shared = {"account_id": opened["account_id"], "currency": currency}
        with file.open(encoding="utf-8-sig", newline="") as stream:
            rows = [{k: v for k, v in row.items() if v} | shared for row in csv.DictReader(stream)]
        for start in range(0, len(rows), BATCH):
            receipt = await push_batch(http, rows[start : start + BATCH])
            print(*(f"{receipt[name]} {name}" for name in ("added", "modified", "unchanged")))
    print(owner)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path)
    parser.add_argument("--user", required=True, help="your own id of the user")
    parser.add_argument("--account", default="checking", help="your own id of the account")
    parser.add_argument("--currency", default="USD", help="ISO 4217")
    asyncio.run(push_file(**vars(parser.parse_args())))
