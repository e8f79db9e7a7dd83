"""Print each change of a user's feed as one JSON line, and keep the cursor in a file.

    API=http://127.0.0.1:8080 TOKEN=... python examples/follow_feed.py USER_ID --cursor ann.cursor

The next start continues where the last one ended. A change can be printed twice after a crash, and
is never left out. A `reset` line tells the reader to forget all earlier lines.
"""

import argparse
import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp

KINDS = ("added", "modified", "removed")


async def read_page(http: aiohttp.ClientSession, user: str, cursor: str) -> dict[str, Any]:
    """Read what changed since the cursor; an empty cursor reads from the beginning."""
    query = {"cursor": cursor} if cursor else {}
    async with http.get(f"/v1/users/{user}/transactions/sync", params=query) as response:
        response.raise_for_status()
        return dict(await response.json())


def list_changes(page: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the changes of a page in the order of their positions."""
    if page["reset"]:
        yield {"change": "reset"}
    changes = [{"change": kind} | item for kind in KINDS for item in page[kind]]
    yield from sorted(changes, key=lambda change: change["position"])


def read_cursor(file: Path) -> str:
    """Read the cursor of the last run, or an empty one."""
    return file.read_text(encoding="utf-8") if file.exists() else ""


def keep_cursor(file: Path, cursor: str) -> None:
    """Replace the file at once, so that a crash leaves the old cursor or the new one."""
    draft = file.with_name(f"{file.name}.new")
    draft.write_text(cursor, encoding="utf-8")
    draft.replace(file)


async def follow_feed(user: str, cursor: Path, seconds: float, *, once: bool) -> None:
    """Print changes until Ctrl-C, or with `once` until there are no more."""
    base = os.environ.get("API", "http://127.0.0.1:8080")
    header = {"Authorization": f"Bearer {os.environ['TOKEN']}"}
    position = read_cursor(cursor)
    async with aiohttp.ClientSession(base, headers=header) as http:
        while True:
            page = await read_page(http, user, position)
            for change in list_changes(page):
                print(json.dumps(change), flush=True)
            position = page["next_cursor"]
            keep_cursor(cursor, position)
            if page["has_more"]:
                continue
            if once:
                return
            await asyncio.sleep(seconds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("user", help="the user id that the API has issued")
    parser.add_argument("--cursor", type=Path, required=True, help="file that keeps the cursor")
    parser.add_argument("--seconds", type=float, default=5.0, help="pause between two looks")
    parser.add_argument("--once", action="store_true", help="end when there are no more changes")
    asyncio.run(follow_feed(**vars(parser.parse_args())))
