"""The bank-feed integration: it opens accounts, pushes batches and waits for the receipts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, NamedTuple

from client import Account, Client, NewTransaction, PushReceipt
from workers.local.demo.bounded import gather_bounded
from workers.local.demo.cards import CardPurchase

_CARDS_PER_USER: Final = 2
_ACCOUNTS_AT_ONCE: Final = 8
_PUSHES_AT_ONCE: Final = 4


class StoredBatch(NamedTuple):
    """The receipts of a batch, and when it was sent and seen to be stored (time.monotonic)."""

    receipts: list[PushReceipt]
    sent: float
    stored: float


async def warm_up(client: Client, run: str) -> None:
    """Push one row of a user of its own, so that the first batch meets a system at work."""
    account = await _open_account(client, f"{run}-warm-up", "card", "GBP")
    today = datetime.now(UTC).date()
    purchase = CardPurchase(0, "card", today, Decimal("-1.00"), "GBP", "WARM UP")
    await push_batch(client, [purchase.to_transaction(account.account_id)])


async def open_accounts(
    client: Client, purchases: Sequence[CardPurchase], run: str
) -> dict[str, Account]:
    """Open an account for each card; each user of this `run` has two cards."""
    currencies = dict(sorted({p.card: p.currency for p in purchases}.items()))
    accounts = await gather_bounded(
        (
            _open_account(client, f"{run}-{number // _CARDS_PER_USER}", card, currency)
            for number, (card, currency) in enumerate(currencies.items())
        ),
        _ACCOUNTS_AT_ONCE,
    )
    return dict(zip(currencies, accounts, strict=True))


async def push_all(
    client: Client, rows: Sequence[NewTransaction], batch: int, advance: Callable[[int], None]
) -> list[StoredBatch]:
    """Push all rows in batches; `advance` is called with the number of rows of each stored one."""

    async def push(some: Sequence[NewTransaction]) -> StoredBatch:
        stored = await push_batch(client, some)
        advance(len(some))
        return stored

    return await gather_bounded(map(push, _split_batches(rows, batch)), _PUSHES_AT_ONCE)


async def push_batch(client: Client, rows: Sequence[NewTransaction]) -> StoredBatch:
    """Push rows and wait until all of them are stored. Raises ClientError when they are not."""
    sent = time.monotonic()
    accepted = await client.push(rows)
    receipts = [await client.wait_for_receipt(push.ingest_id) for push in accepted]
    return StoredBatch(receipts, sent, time.monotonic())


async def _open_account(client: Client, user: str, account: str, currency: str) -> Account:
    owner = await client.create_user(user)
    return await client.create_account(owner.user_id, account, currency)


def _split_batches(rows: Sequence[NewTransaction], size: int) -> Iterator[Sequence[NewTransaction]]:
    for start in range(0, len(rows), size):
        yield rows[start : start + size]
