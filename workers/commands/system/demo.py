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

import click

from client import Client, ClientError
from workers.commands.output import json_option, print_result
from workers.commands.progress import show_progress
from workers.local.demo import cards
from workers.local.demo.cards import CardPurchase
from workers.local.demo.outcome import DemoOutcome
from workers.local.demo.pushing import warm_up
from workers.local.demo.replay import replay_purchases
from workers.local.demo.report import print_outcome
from workers.local.private_system import RunningSystem, open_system, record_seconds, run_watched


@click.command()
@click.option(
    "--rows", type=click.IntRange(1), help="The most rows to push.  [default: all of the feed]"
)
@click.option(
    "--feed",
    type=click.Path(path_type=Path),
    default=cards.FEED,
    help="A CSV file of purchases.  [default: the shipped feed]",
)
@click.option(
    "--batch",
    type=click.IntRange(1, 10_000),
    default=500,
    show_default=True,
    help="The rows of one push.",
)
@click.option("--api", help="The URL of a running API, whose months cover the feed; needs --token.")
@click.option("--token", help="A token with the scopes ingest, read and manage.")
@json_option
def command(
    *, rows: int | None, feed: Path, batch: int, api: str | None, token: str | None, as_json: bool
) -> None:
    """Push card purchases as a bank-feed integration and read them back as a mobile app.

    The command starts a private system unless --api names a running one. The exit status is 0 only
    when no row was lost or duplicated and every sum agrees.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    purchases = cards.read_purchases(feed, rows)
    if not purchases:
        raise click.ClickException("the feed has no rows")
    times = _read_setup_seconds()
    try:
        with open_system("demo", api, token, cards.find_date_range(purchases), times) as site:
            outcome = asyncio.run(run_watched(_run(site, purchases, batch, times), site.watch))
    except ClientError as error:
        raise click.ClickException(str(error)) from None
    result = asdict(outcome) | {"right": outcome.is_right, "times_s": times}
    print_result(result, lambda _: print_outcome(outcome, times), as_json=as_json)
    sys.exit(0 if outcome.is_right else 1)


async def _run(
    site: RunningSystem, purchases: Sequence[CardPurchase], batch: int, times: dict[str, float]
) -> DemoOutcome:
    run = f"demo-{uuid4().hex[:8]}"
    began = time.monotonic()
    async with Client(site.url, site.token) as client:
        await warm_up(client, run)
    record_seconds(times, "warm-up", began)
    with show_progress("pushed and stored", len(purchases)) as advance:
        outcome = await replay_purchases(
            site.url, site.token, purchases, run=run, batch=batch, advance=advance
        )
    times["replay"] = outcome.replay_s
    return outcome


def _read_setup_seconds() -> dict[str, float]:
    """Read the seconds of the installation, if `make` has written them into the environment."""
    try:
        seconds = float(Path(sys.prefix, "run").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {"set-up": seconds}
