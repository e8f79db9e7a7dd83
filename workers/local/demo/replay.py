"""The replay: push the whole feed, read all of it back, and compare the two."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from client import Client
from workers.local.demo.cards import CardPurchase
from workers.local.demo.late import push_late_transaction
from workers.local.demo.outcome import Outcome, build_outcome
from workers.local.demo.pushing import open_accounts, push_all
from workers.local.demo.reading import read_users


async def replay_purchases(
    url: str,
    token: str,
    purchases: Sequence[CardPurchase],
    *,
    run: str,
    batch: int,
    advance: Callable[[int], None],
) -> Outcome:
    """Push `purchases` in batches for new users of this `run`, then read everything back.

    `advance` is called with the number of rows of each stored batch. Raises ClientError.
    """
    began = time.monotonic()
    async with Client(url, token) as client:
        accounts = await open_accounts(client, purchases, run)
        rows = [p.to_transaction(accounts[p.card].account_id) for p in purchases]
        batches = await push_all(client, rows, batch, advance)
        users = await read_users(client, {account.user_id for account in accounts.values()})
        busiest = max(users, key=lambda user: len(user.feed))
        late = await push_late_transaction(url, token, client, busiest)
    return build_outcome(rows, batches, users, late, began)
