"""The apps of the cache's benchmark: what their users open, and how often the cache answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

from client import Client, Exchange, SpendingReport, TransactionPage

_FEED_ROWS = 50
_SYNC_ROWS = 500


class Screen(NamedTuple):
    """What an app reads together; spending is that of this month and of the last."""

    changes: bool
    spending: bool


OPENING = Screen(changes=True, spending=True)
DASHBOARD = Screen(changes=False, spending=True)
LIST = Screen(changes=True, spending=False)


@dataclass(slots=True)
class AppUser:
    """One user's app; every screen of it has the first page of the feed."""

    client: Client
    user_id: UUID
    months: tuple[str, str]
    cursor: str | None = None

    async def open_screen(self, screen: Screen) -> None:
        if screen.changes:
            page = await self.client.get_changes(self.user_id, self.cursor, limit=_SYNC_ROWS)
            self.cursor = page.next_cursor
        await self.read_feed()
        if screen.spending:
            await self.read_spending()

    async def read_feed(self) -> TransactionPage:
        return await self.client.get_feed_page(self.user_id, limit=_FEED_ROWS)

    async def read_spending(self) -> list[SpendingReport]:
        return [await self.client.get_spending(self.user_id, month=m) for m in self.months]


class ReadCounter:
    """Counts reads, answers that have not changed (304), and answers without PostgreSQL (hits)."""

    def __init__(self) -> None:
        self.counts = {"reads": 0, "unchanged": 0, "hits": 0}

    def clear(self) -> None:
        self.counts = dict.fromkeys(self.counts, 0)

    def observe(self, exchange: Exchange) -> None:
        self.counts["reads"] += 1
        self.counts["unchanged"] += exchange.status == 304
        self.counts["hits"] += exchange.cached
