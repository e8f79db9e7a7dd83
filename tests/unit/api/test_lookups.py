"""What is remembered is bounded, and asked again soon enough to be true."""

from __future__ import annotations

import asyncio
from datetime import date
from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest

from api.lookups import Categories, Months, Owners, is_canonical
from pipeline.access.accounts import Owner
from pipeline.database.partitions import Managed


def test_only_the_canonical_text_of_an_id_is_one() -> None:
    text = str(uuid4())
    assert is_canonical(text)
    for variant in (text.upper(), text.replace("-", ""), f"{{{text}}}", f" {text}", "x", ""):
        assert not is_canonical(variant)


class FakeAccounts:
    def __init__(self, *owners: Owner) -> None:
        self.known = {str(UUID(bytes=o.account_id)): o for o in owners}
        self.asked: list[list[str]] = []

    async def find_owners(self, account_ids: list[str]) -> dict[str, Owner]:
        self.asked.append(account_ids)
        return {a: self.known[a] for a in account_ids if a in self.known}


async def test_owners_are_asked_for_once_and_unknown_accounts_every_time() -> None:
    # Given
    owner, unknown = Owner(uuid4().bytes, uuid4().bytes), str(uuid4())
    accounts = FakeAccounts(owner)
    owners = Owners(accounts, size=100)  # type: ignore[arg-type]
    (account,) = accounts.known
    # When
    for _ in range(2):
        assert await owners.find_owners([account, unknown, "nonsense"], None) == {account: owner}
    # Then
    assert accounts.asked == [[account, unknown], [unknown]]
    assert await owners.find_owners([account], uuid4()) == {}
    owners.forget_user(UUID(bytes=owner.user_id))
    await owners.find_owners([account], None)
    assert accounts.asked[-1] == [account]


async def test_an_account_is_not_forgotten_while_its_request_asks_for_another() -> None:
    # Given: a request that knows one of its accounts and waits to hear of the other
    early, slow, late = (Owner(uuid4().bytes, uuid4().bytes) for _ in range(3))
    accounts, answered = FakeAccounts(early, slow, late), asyncio.Event()
    known = list(accounts.known)

    async def find(account_ids: list[str]) -> dict[str, Owner]:
        if known[1] in account_ids:
            await answered.wait()
        return {a: accounts.known[a] for a in account_ids}

    owners = Owners(SimpleNamespace(find_owners=find), size=1)  # type: ignore[arg-type]
    await owners.find_owners(known[:1], None)
    waiting = asyncio.create_task(owners.find_owners(known[:2], None))
    await asyncio.sleep(0)
    # When: others fill what is remembered, so that it is emptied
    await owners.find_owners(known[2:], None)
    await owners.find_owners(known[2:], None)
    answered.set()
    # Then
    assert await waiting == {known[0]: early, known[1]: slow}


async def test_months_are_read_again_only_for_a_date_that_misses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Given
    reads = 0
    known = Managed(date(2026, 1, 1), date(2026, 12, 31))

    async def managed(_: object) -> Managed:
        nonlocal reads
        reads += 1
        return known

    monkeypatch.setattr("api.lookups.read_managed_range", managed)
    months = Months(None)
    # When
    for day in (date(2026, 5, 5), date(2026, 6, 6), date(2030, 1, 1), date(2030, 1, 1)):
        assert await months.find_range([day]) == known
    # Then
    assert reads == 1
    monkeypatch.setattr("api.lookups._MONTHS_SECONDS", -1.0)
    await months.find_range([date(2030, 1, 1)])
    assert reads == 2


GROCERIES = {"code": "GROCERIES", "primary": "FOOD"}


async def test_the_taxonomy_is_read_once_and_an_empty_one_is_not_kept() -> None:
    # Given: a system whose first worker publishes the taxonomy after the first read
    answers: list[list[dict[str, str]]] = [[], [GROCERIES]]

    async def load() -> list[dict[str, str]]:
        return answers.pop(0)

    categories = Categories(load)
    # When
    before = await categories.expand_code("FOOD")
    after = [await categories.expand_code("FOOD") for _ in range(2)]
    # Then
    assert before == ()
    assert after == [("GROCERIES",)] * 2
    assert answers == []
