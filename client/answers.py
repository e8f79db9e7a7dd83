"""These immutable types hold what the API answers.

Fields that a newer API adds are ignored, so an older client goes on reading. Texts that the API may
extend (`status`, `reason`, `source`) are plain strings for that reason. Amounts are decimals in
units of their currency, and negative amounts are money out.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import MutableMapping
from decimal import Decimal
from typing import Any
from uuid import UUID

from msgspec import Struct, field


class User(Struct, frozen=True):
    """A person; `position` counts the changes of their feed."""

    user_id: UUID
    external_id: str | None
    position: int


class AppToken(Struct, frozen=True):
    """A token acts for one user. Its representation does not contain the secret."""

    token: str
    expires_at: dt.datetime

    def __repr__(self) -> str:
        return f"AppToken(token='***', expires_at={self.expires_at!r})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("token", "***"), ("expires_at", self.expires_at)]


class Account(Struct, frozen=True):
    account_id: UUID
    user_id: UUID
    external_id: str
    name: str | None
    type: str | None
    currency: str


class AccountsAnswer(Struct, frozen=True):
    accounts: tuple[Account, ...]


class AcceptedPush(Struct, frozen=True):
    """The broker holds the rows; `accepted` and `removed` count them."""

    ingest_id: str
    accepted: int
    removed: int


class PushReceipt(Struct, frozen=True):
    """A receipt says what became of a push. Its counts cover the rows that are stored so far.

    `status` is `queued`, `stored` or `failed`; `positions` maps users to their feed positions.
    """

    ingest_id: str
    status: str
    accepted: int
    added: int
    modified: int
    unchanged: int
    removed: int
    discarded: int = 0
    positions: dict[UUID, int] = {}
    reason: str | None = None


class AssignedCategory(Struct, frozen=True):
    """`source` names what decided: `model`, `rule`, `memory`, `user` or a newer one."""

    primary: str
    detailed: str
    confidence: float
    source: str
    model_version: int
    needs_review: bool


class Transaction(Struct, frozen=True, kw_only=True):
    """One row of a feed. Treat a new `reason` as a change."""

    id: UUID
    transaction_id: str
    account_id: UUID
    date: dt.date
    amount: Decimal
    currency: str
    description: str
    merchant: str | None
    category: AssignedCategory
    pending: bool
    position: int
    reason: str
    datetime: dt.datetime | None = None
    authorized_date: dt.date | None = None
    merchant_name: str | None = None
    mcc: str | None = None
    pending_transaction_id: str | None = None
    metadata: dict[str, Any] = {}


class CategoryExplanation(Struct, frozen=True):
    """What decided the category; `merchant_key` is what the feed's `merchant` filter takes."""

    decided_by: str
    model_version: int
    confidence: float
    merchant_key: str
    mcc: str | None


class ExplainedTransaction(Transaction, frozen=True, kw_only=True):
    explanation: CategoryExplanation


class RemovedTransaction(Struct, frozen=True):
    id: UUID
    transaction_id: str
    account_id: UUID
    position: int
    reason: str


class TransactionPage(Struct, frozen=True):
    """One page of a feed holds its newest rows first. On the last page `next_cursor` is None."""

    transactions: tuple[Transaction, ...]
    next_cursor: str | None
    position: int


class ChangePage(Struct, frozen=True):
    """One page of what changed since a cursor.

    With `reset` the page is the first of a whole feed, and the reader drops the rows that it holds.
    """

    added: tuple[Transaction, ...]
    modified: tuple[Transaction, ...]
    removed: tuple[RemovedTransaction, ...]
    next_cursor: str
    has_more: bool
    position: int
    reset: bool

    def apply_to(self, rows: MutableMapping[UUID, Transaction]) -> None:
        """Bring `rows`, a copy of the feed by transaction id, up to the end of this page."""
        if self.reset:
            rows.clear()
        rows.update((row.id, row) for row in (*self.added, *self.modified))
        for row in self.removed:
            rows.pop(row.id, None)


class DateRange(Struct, frozen=True):
    """Both dates are inclusive."""

    first: dt.date = field(name="from")
    last: dt.date = field(name="to")


class CurrencyTotal(Struct, frozen=True):
    """Spending is money out less refunds, without transfers, loans and card payments."""

    income: Decimal
    spending: Decimal
    money_in: Decimal
    money_out: Decimal
    transfers: Decimal
    count: int


class CategorySum(Struct, frozen=True):
    category: str
    primary: str
    currency: str
    amount: Decimal
    count: int


class MerchantSum(Struct, frozen=True):
    merchant: str
    merchant_key: str
    currency: str
    amount: Decimal
    count: int


class AccountSum(Struct, frozen=True):
    account_id: UUID
    currency: str
    amount: Decimal
    count: int


class DaySum(Struct, frozen=True):
    date: dt.date
    currency: str
    amount: Decimal
    income: Decimal
    spending: Decimal
    count: int


class SpendingReport(Struct, frozen=True):
    """A report sums a feed over a period, at one feed position. Totals are by currency code."""

    position: int
    period: DateRange
    currency_totals: dict[str, CurrencyTotal]
    by_category: tuple[CategorySum, ...]
    by_merchant: tuple[MerchantSum, ...]
    by_account: tuple[AccountSum, ...]
    by_day: tuple[DaySum, ...]


class TaxonomyCategory(Struct, frozen=True):
    code: str
    primary: str
    name: str
    description: str
    parent: str | None


class TaxonomyAnswer(Struct, frozen=True):
    categories: tuple[TaxonomyCategory, ...]


class Readiness(Struct, frozen=True):
    """`status` is `ready`, `degraded` (ready, but slower) or `not ready`; `parts` says why.

    `parts` maps names of parts to `ok` or to what is wrong. When the system is not ready it holds
    the failing parts only.
    """

    status: str
    parts: dict[str, str]

    @property
    def ready(self) -> bool:
        return self.status != "not ready"


class VersionAnswer(Struct, frozen=True):
    version: str
