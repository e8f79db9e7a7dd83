"""The table of routes says of every route what it needs to be safe, and problems leak nothing."""

from __future__ import annotations

import asyncio
from datetime import date
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from api.http import openapi, problems
from api.http.bodies import Intake, decode, gunzip, read_raw, refuse_repeated_keys
from api.http.problems import Invalid, Malformed, Overloaded, TooLarge, TooSlow, response_to
from api.lookups import Months, Owners, TokenHolders, canonical
from api.routes import ROUTES, Binding
from pipeline.access.accounts import Owner
from pipeline.access.tokens import Principal
from pipeline.database.partitions import Managed
from pipeline.errors import BrokerUnavailable, NoPartition
from pipeline.transactions.money import MAX_BODY


def test_every_path_below_a_user_is_bound_to_that_user() -> None:
    for route in ROUTES:
        assert ("{user_id}" in route.path) == (route.binding is Binding.PATH), route.name


def test_only_operators_routes_need_no_token() -> None:
    public = {route.path for route in ROUTES if route.scopes is None}
    assert public == {"/livez", "/readyz", "/version", "/openapi.json"}


def test_what_a_route_reads_names_its_unknown_fields() -> None:
    for route in ROUTES:
        for kind in (route.request, route.query):
            assert kind is None or kind.__struct_config__.forbid_unknown_fields, route.name


def test_the_document_holds_the_schemas_that_it_refers_to() -> None:
    document = msgspec.json.decode(openapi.document(ROUTES))
    text = openapi.document(ROUTES).decode()
    for name in document["components"]["schemas"]:
        assert f"#/components/schemas/{name}" in text
    push = document["paths"]["/v1/transactions"]["post"]
    assert set(push["requestBody"]["content"]) == {"application/json", "application/x-ndjson"}
    assert set(push["responses"]) >= {"202", "400", "401", "403", "413", "415", "422", "503"}


def test_a_defect_is_answered_without_its_message() -> None:
    response = response_to(RuntimeError("secret 4111"), "r1")
    assert response.status == 500
    assert b"secret" not in bytes(response.body)  # type: ignore[arg-type]


def test_a_transient_failure_says_when_to_try_again() -> None:
    response = response_to(BrokerUnavailable("away"), "r1")
    assert (response.status, response.headers["Retry-After"]) == (503, "1")


def test_months_that_are_still_to_be_made_are_no_defect() -> None:
    response = response_to(NoPartition("run `spendline migrate`"), "r1")
    assert (response.status, response.headers["Retry-After"]) == (503, "1")


def test_every_problem_is_in_the_table() -> None:
    kinds = [k for k in vars(problems).values() if isinstance(k, type)]
    for kind in kinds:
        if issubclass(kind, problems.Problem) and kind is not problems.Problem:
            error = kind([]) if kind in {Invalid, problems.NotReady} else kind("said")
            assert response_to(error, "r").status != 500, kind


def test_a_path_in_a_struct_becomes_a_json_pointer() -> None:
    class Inner(msgspec.Struct):
        values: list[int]

    with pytest.raises(Invalid) as refusal:
        decode(msgspec.json.Decoder(dict[str, list[Inner]]), b'{"a": [{"values": [1, "x"]}]}')
    (fault,) = refusal.value.faults
    assert fault.pointer.endswith("/0/values/1")


def test_a_gzip_bomb_stops_at_the_limit() -> None:
    import gzip  # noqa: PLC0415

    with pytest.raises(TooLarge):
        gunzip(gzip.compress(bytes(1000)), 999)
    assert gunzip(gzip.compress(bytes(1000)), 1000) == bytes(1000)


def test_bodies_beyond_the_room_are_refused_until_others_are_done() -> None:
    def request(length: int | None, **headers: str) -> Any:
        return SimpleNamespace(content_length=length, headers=headers)

    intake = Intake(MAX_BODY + 10)
    with intake.room_for(request(None)):
        with pytest.raises(Overloaded), intake.room_for(request(11)):
            pass
        with pytest.raises(Overloaded), intake.room_for(request(5, **{"Content-Encoding": "gzip"})):
            pass
        with intake.room_for(request(10)):
            pass
    with intake.room_for(request(11)):
        pass


async def test_a_body_that_does_not_come_is_too_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.http.bodies._BODY_SECONDS", 0.001)
    with pytest.raises(TooSlow):
        await read_raw(SimpleNamespace(read=asyncio.Event().wait))  # type: ignore[arg-type]


def test_huge_numbers_do_not_break_the_search_for_repeated_keys() -> None:
    refuse_repeated_keys(b'{"a": ' + b"9" * 10_000 + b"}")
    with pytest.raises(Malformed):
        refuse_repeated_keys(b'{"a": {"b": 1, "b": 1}}')


def test_only_the_canonical_text_of_an_id_is_one() -> None:
    text = str(uuid4())
    assert canonical(text)
    for variant in (text.upper(), text.replace("-", ""), f"{{{text}}}", f" {text}", "x", ""):
        assert not canonical(variant)


class FakeAccounts:
    def __init__(self, *owners: Owner) -> None:
        self.known = {str(UUID(bytes=o.account_id)): o for o in owners}
        self.asked: list[list[str]] = []

    async def owners(self, account_ids: list[str]) -> dict[str, Owner]:
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
        assert await owners.of([account, unknown, "nonsense"], None) == {account: owner}
    # Then
    assert accounts.asked == [[account, unknown], [unknown]]
    assert await owners.of([account], uuid4()) == {}
    owners.forget(UUID(bytes=owner.user_id))
    await owners.of([account], None)
    assert accounts.asked[-1] == [account]


async def test_an_account_is_not_forgotten_while_its_request_asks_for_another() -> None:
    # Given: a request that knows one of its accounts and waits to hear of the other
    early, slow, late = (Owner(uuid4().bytes, uuid4().bytes) for _ in range(3))
    accounts, answered = FakeAccounts(early, slow, late), asyncio.Event()
    known = list(accounts.known)

    async def answer(account_ids: list[str]) -> dict[str, Owner]:
        if known[1] in account_ids:
            await answered.wait()
        return {a: accounts.known[a] for a in account_ids}

    owners = Owners(SimpleNamespace(owners=answer), size=1)  # type: ignore[arg-type]
    await owners.of(known[:1], None)
    waiting = asyncio.create_task(owners.of(known[:2], None))
    await asyncio.sleep(0)
    # When: others fill what is remembered, so that it is emptied
    await owners.of(known[2:], None)
    await owners.of(known[2:], None)
    answered.set()
    # Then
    assert await waiting == {known[0]: early, known[1]: slow}


async def test_a_token_is_looked_up_once_for_concurrent_requests() -> None:
    # Given
    principal = Principal(uuid4(), frozenset({"read"}), None, None)
    asked: list[bytes] = []

    async def authenticate(digest: bytes) -> Principal | None:
        asked.append(digest)
        await asyncio.sleep(0)
        return principal

    holders = TokenHolders(SimpleNamespace(authenticate=authenticate), 60.0)  # type: ignore[arg-type]
    # When
    found = await asyncio.gather(*(holders.holder("token") for _ in range(5)))
    # Then
    assert found == [principal] * 5
    assert len(asked) == 1
    await TokenHolders(SimpleNamespace(authenticate=authenticate), 0.0).holder("token")  # type: ignore[arg-type]
    assert len(asked) == 2


async def test_a_failed_look_up_is_not_kept() -> None:
    answers = [TimeoutError(), None]

    async def authenticate(_: bytes) -> Principal | None:
        answer = answers.pop(0)
        if answer is not None:
            raise answer
        return None

    holders = TokenHolders(SimpleNamespace(authenticate=authenticate), 60.0)  # type: ignore[arg-type]
    with pytest.raises(TimeoutError):
        await holders.holder("token")
    assert await holders.holder("token") is None


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

    monkeypatch.setattr("api.lookups.managed", managed)
    months = Months(None)
    # When
    for day in (date(2026, 5, 5), date(2026, 6, 6), date(2030, 1, 1), date(2030, 1, 1)):
        assert await months.covering([day]) == known
    # Then
    assert reads == 1
    monkeypatch.setattr("api.lookups._MONTHS_SECONDS", -1.0)
    await months.covering([date(2030, 1, 1)])
    assert reads == 2
