"""Replay real card purchases through the whole system, over HTTP, and check every row."""

from __future__ import annotations

import asyncio
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from uuid import uuid4

import aiohttp
import click
import msgspec

from workers.commands.progress import progress
from workers.commands.site import lap, system, watched
from workers.local.demo import cards, report
from workers.local.demo.cards import Purchase
from workers.local.demo.clients import Http
from workers.local.demo.replay import Outcome, replay, warm_up

_TIMEOUT = aiohttp.ClientTimeout(total=60)


@click.command()
@click.option("--rows", type=click.IntRange(1), help="At most so many; all when not given.")
@click.option(
    "--feed", type=click.Path(path_type=Path), default=cards.FEED, help="CSV of purchases."
)
@click.option("--batch", type=click.IntRange(1, 10_000), default=500, show_default=True)
@click.option("--api", help="URL of a running API; needs --token, and months for the feed.")
@click.option("--token", help="With the scopes ingest, read and manage.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    *, rows: int | None, feed: Path, batch: int, api: str | None, token: str | None, as_json: bool
) -> None:
    """Push card purchases as a bank-feed integration, read them back as a mobile app.

    Starts the system for itself unless a running one is given. The exit status is 0 only when
    nothing was lost or duplicated and every sum agrees.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    purchases = cards.read(feed, rows)
    if not purchases:
        raise click.ClickException("the feed has no rows")
    times = {"set-up": _setup_seconds()} if _setup_seconds() else {}
    with system("demo", api, token, cards.months(purchases), times) as site:
        run = _run(site.url, site.token, purchases, batch, times)
        outcome = asyncio.run(watched(run, site.watch))
    if as_json:
        told = asdict(outcome) | {"right": outcome.right, "times_s": times}
        click.echo(msgspec.json.encode(told))
    else:
        report.show(outcome, times)
        click.echo(report.verdict(outcome))
    sys.exit(0 if outcome.right else 1)


async def _run(
    url: str, token: str, purchases: Sequence[Purchase], batch: int, times: dict[str, float]
) -> Outcome:
    headers = {"Authorization": f"Bearer {token}"}
    run = f"demo-{uuid4().hex[:8]}"
    async with aiohttp.ClientSession(url, headers=headers, timeout=_TIMEOUT) as session:
        http = Http(session)
        began = time.monotonic()
        await warm_up(http, run)
        lap(times, "warm-up", began)
        with progress("pushed and stored", len(purchases)) as advance:
            outcome = await replay(http, purchases, run, batch, advance)
        times["replay"] = outcome.replay_s
        return outcome


def _setup_seconds() -> float:
    """How long `make` took to install, which it leaves in the environment's folder; 0: unknown."""
    try:
        return float(Path(sys.prefix, "run").read_text(encoding="utf-8") or 0)
    except (OSError, ValueError):
        return 0.0
