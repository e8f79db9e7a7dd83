"""A transaction that arrives late: two phones of its user must see it at once."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from uuid import UUID

from client import Client, Exchange, NewTransaction, SpendingReport
from workers.local.demo.pushing import push_batch
from workers.local.demo.reading import UserData, name_month, sum_money_out, sync_feed

_AMOUNT: Final = Decimal("-12.34")
_ID: Final = "late"


@dataclass(frozen=True, slots=True)
class LateArrival:
    """Whether the phones saw the transaction, and how the cache behaved; `hits` counts its answers."""

    seen: bool
    invalidated: bool
    hits: int


class _Phone:
    """An app with a client of its own, which reads the spending of one month again and again."""

    def __init__(self, url: str, token: str, user_id: UUID, month: str) -> None:
        self._exchanges: list[Exchange] = []
        self._user_id = user_id
        self._month = month
        self.client = Client(url, token, observe=self._exchanges.append)

    async def read_spending(self) -> tuple[SpendingReport, Exchange]:
        report = await self.client.get_spending(self._user_id, month=self._month)
        return report, self._exchanges[-1]


async def push_late_transaction(
    url: str, token: str, integration: Client, user: UserData
) -> LateArrival:
    """Read the newest month of `user`, push a row into it, and read the month again."""
    newest = user.feed[0]
    late = NewTransaction(
        transaction_id=_ID,
        account_id=newest.account_id,
        date=newest.date,
        amount=_AMOUNT,
        currency=newest.currency,
        description=newest.description,
    )
    first = _Phone(url, token, user.user_id, name_month(newest))
    second = _Phone(url, token, user.user_id, name_month(newest))
    async with first.client, second.client:
        before, filled = await first.read_spending()
        _, shared = await second.read_spending()
        _, unchanged = await first.read_spending()
        await push_batch(integration, [late])
        after, renewed = await first.read_spending()
        _, shared_again = await second.read_spending()
        arrived, _ = await sync_feed(first.client, user.user_id, user.cursor)
    return LateArrival(
        seen=[row.transaction_id for row in arrived] == [_ID]
        and sum_money_out(after) - sum_money_out(before) == -_AMOUNT,
        invalidated=shared.cached
        and unchanged.status == 304
        and not renewed.cached
        and shared_again.cached,
        hits=sum(each.cached for each in (filled, shared, unchanged, renewed, shared_again)),
    )
