"""Print each change of a user's feed as one JSON line, and keep the cursor in a file.

    API=http://127.0.0.1:8080 TOKEN=... python examples/follow_feed.py USER_ID --cursor ann.cursor

The next start continues where the last one ended. A change can be printed twice after a crash, and
is never left out. A `reset` line tells the reader to forget all earlier lines.
"""

import argparse
import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from client import ChangePage, Client


def list_changes(page: ChangePage) -> Iterator[dict[str, Any]]:
    """Yield the changes of a page in the order of their positions."""
    if page.reset:
        yield {"change": "reset"}
    kinds = {"added": page.added, "modified": page.modified, "removed": page.removed}
    changes = [
        {"change": kind} | msgspec.structs.asdict(item)
        for kind, items in kinds.items()
        for item in items
    ]
    yield from sorted(changes, key=lambda change: change["position"])


def read_cursor(file: Path) -> str | None:
    """Read the cursor of the last run, if there is one."""
    return file.read_text(encoding="utf-8") if file.exists() else None


def keep_cursor(file: Path, cursor: str) -> None:
    """Replace the file at once, so that a crash leaves the old cursor or the new one."""
    draft = file.with_name(f"{file.name}.new")
    draft.write_text(cursor, encoding="utf-8")
    draft.replace(file)


async def follow_feed(user: str, cursor: Path, seconds: float, *, once: bool) -> None:
    """Print changes until Ctrl-C, or with `once` until there are no more."""
    url = os.environ.get("API", "http://127.0.0.1:8080")
    async with Client(url, os.environ["TOKEN"]) as client:
        while True:
            async for page in client.iterate_changes(user, read_cursor(cursor)):
                for change in list_changes(page):
                    print(msgspec.json.encode(change).decode(), flush=True)
                keep_cursor(cursor, page.next_cursor)
            if once:
                return
            await asyncio.sleep(seconds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("user", help="the user id that the API has issued")
    parser.add_argument("--cursor", type=Path, required=True, help="the file that keeps the cursor")
    parser.add_argument("--seconds", type=float, default=5.0, help="the seconds between two reads")
    parser.add_argument("--once", action="store_true", help="end when no changes are left")
    asyncio.run(follow_feed(**vars(parser.parse_args())))
