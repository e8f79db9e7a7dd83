"""The mobile app: it reads feeds, syncs and insights, and compares them with each other."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from uuid import UUID

from client import CategorySum, Client, SpendingReport, Transaction
from workers.local.demo.bounded import gather_bounded

_READERS_AT_ONCE: Final = 8


@dataclass(frozen=True, slots=True)
class UserData:
    """What an app reads of one user; `synced` are the rows of the sync pages up to `cursor`."""

    user_id: UUID
    feed: list[Transaction]
    synced: list[Transaction]
    cursor: str | None
    sums_agree: bool

    @property
    def sync_agrees(self) -> bool:
        return sorted(row.id for row in self.feed) == sorted(row.id for row in self.synced)


async def read_users(client: Client, users: Iterable[UUID]) -> list[UserData]:
    """Read everything of these users."""
    return await gather_bounded((_read_user(client, user) for user in users), _READERS_AT_ONCE)


async def sync_feed(
    client: Client, user_id: UUID, cursor: str | None = None
) -> tuple[list[Transaction], str | None]:
    """The rows that were added or modified since `cursor` (None: all), and the next cursor."""
    rows: list[Transaction] = []
    async for page in client.iterate_changes(user_id, cursor):
        rows += page.added + page.modified
        cursor = page.next_cursor
    return rows, cursor


def name_month(row: Transaction) -> str:
    """The month of the row as the API writes it, for example `2026-11`."""
    return f"{row.date:%Y-%m}"


def has_equal_sums(sums: Sequence[CategorySum], feed: Sequence[Transaction], month: str) -> bool:
    """Whether the sums by category and currency are exactly those of the month's rows."""
    expected: dict[tuple[str, str], Decimal] = defaultdict(Decimal)
    for row in feed:
        if name_month(row) == month:
            expected[row.category.detailed, row.currency] += row.amount
    return {(each.category, each.currency): each.amount for each in sums} == expected


def sum_money_out(report: SpendingReport) -> Decimal:
    """The money out of all currencies together."""
    return sum((total.money_out for total in report.currency_totals.values()), Decimal())


async def _read_user(client: Client, user_id: UUID) -> UserData:
    feed = [row async for row in client.iterate_feed(user_id)]
    synced, cursor = await sync_feed(client, user_id)
    (month, _), *_ = Counter(map(name_month, feed)).most_common(1)
    report = await client.get_spending(user_id, month=month)
    return UserData(user_id, feed, synced, cursor, has_equal_sums(report.by_category, feed, month))
