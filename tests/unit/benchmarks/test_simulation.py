"""The model of a user base, how it is driven, and what follows from its cost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks.simulation.__main__ import command
from benchmarks.simulation.capacity import (
    UTILISATION,
    Cost,
    compute_cost,
    estimate_need,
    estimate_users,
)
from benchmarks.simulation.drive import AT_ONCE, Crowd, Seen
from benchmarks.simulation.load import History, Load, summarize_seen
from benchmarks.simulation.meter import Mark, Meter, subtract_idle
from benchmarks.simulation.population import (
    DAY,
    OPENINGS_A_DAY,
    PEAK,
    TRANSACTIONS_A_DAY,
    Plan,
    Schedule,
    draw_appetites,
    draw_schedule,
)
from client import (
    AcceptedPush,
    Account,
    ChangePage,
    Client,
    Exchange,
    NewTransaction,
    PushReceipt,
    UnansweredError,
    User,
)

COST = Cost(
    users=100_000,
    per_million_transactions={"api": 10.0, "postgres": 30.0},
    per_thousand_users_a_day={"api": 12.0, "workers": 3.0, "postgres": 5.0},
    bytes_a_transaction=500.0,
)
QUICK = {"p50": 1.0, "p99": 2.0}
LOAD = Load(
    users=100_000,
    people=20,
    days=7,
    wall_s=120.0,
    pushes_per_s=1.0,
    reads_per_s=10.0,
    transactions=350,
    lost=0,
    errors=0,
    hit_rate=0.5,
    post_ms=QUICK,
    visible_ms=QUICK,
    read_ms=QUICK,
    late_ms=QUICK,
    idle_cores={"api": 0.0, "postgres": 0.0},
    cpu_s={"api": 2.0, "postgres": 1.0},
    history=History(transactions=1_500, cpu_s={"api": 0.1, "postgres": 0.2}, bytes=750_000),
)
NOBODY = UUID(int=1)
LONG_AGO = 100.0  # seconds


class SlowClient(Client):
    """Answers as the API does, but reads only when it may; stores `added` of each row pushed."""

    def __init__(self, *, added: int = 1) -> None:
        self.may_answer = asyncio.Event()
        self.waiting = 0
        self.added = added

    async def create_user(self, external_id: str | None = None) -> User:
        return User(NOBODY, external_id, 0)

    async def create_account(
        self, user_id: UUID | str, external_id: str, currency: str, **_: str | None
    ) -> Account:
        return Account(NOBODY, UUID(str(user_id)), external_id, None, None, currency)

    async def push(self, transactions: Iterable[NewTransaction], *_: Any, **__: Any) -> Any:
        self.rows = len(list(transactions))
        return [AcceptedPush("ingest", self.rows, 0)]

    async def wait_for_receipt(self, ingest_id: str, **_: float) -> PushReceipt:
        return PushReceipt(ingest_id, "stored", self.rows, self.rows * self.added, 0, 0, 0)

    async def get_changes(self, *_: Any, **__: Any) -> Any:
        await self.read()
        return ChangePage((), (), (), "1", has_more=False, position=1, reset=False)

    async def get_feed_page(self, *_: Any, **__: Any) -> Any:
        await self.read()

    async def get_spending(self, *_: Any, **__: Any) -> Any:
        await self.read()

    async def read(self) -> None:
        self.waiting += 1
        await self.may_answer.wait()
        self.waiting -= 1


class AbsentClient(SlowClient):
    """The client of an API that does not answer."""

    async def wait_for_receipt(self, ingest_id: str, **_: float) -> PushReceipt:
        raise UnansweredError(ingest_id)

    async def read(self) -> None:
        raise UnansweredError("no answer")


async def lived(client: Client, rows: list[int]) -> Crowd:
    """A crowd of one who pushes so many rows at a time, 0: opens the app; all was due long ago."""
    crowd = Crowd(client, Seen(), ["SHOP"], date(2026, 1, 1))
    await crowd.register_people(1, "run")
    nothing = np.zeros(len(rows), np.int64)
    events = Schedule(nothing.astype(np.float64), nothing, np.array(rows, np.int64))
    await crowd.live_days(events, 1.0, time.monotonic() - LONG_AGO, lambda _: None)
    return crowd


def test_what_the_api_answers_without_its_database_is_a_hit() -> None:
    seen = Seen()
    for cached in (True, False, True):
        seen.observe(Exchange("GET", "/v1/users", 200, 0.1, cached))
    assert seen.hits == 2


def test_the_same_seed_gives_the_same_people_and_days() -> None:
    one, same, other = draw_schedule(50, 2, 1), draw_schedule(50, 2, 1), draw_schedule(50, 2, 2)
    assert (one.at == same.at).all()
    assert (one.rows == same.rows).all()
    assert len(one) != len(other) or (one.at != other.at).any()


def test_users_do_on_average_what_is_claimed_within_their_days() -> None:
    users, days = 2_000, 5
    events = draw_schedule(users, days, 3)
    pushes = events.rows > 0
    assert events.rows.sum() / (users * days) == pytest.approx(TRANSACTIONS_A_DAY, rel=0.05)
    assert (~pushes).sum() / (users * days) == pytest.approx(OPENINGS_A_DAY, rel=0.05)
    assert (np.diff(events.at) >= 0).all()
    assert events.at.min() >= 0
    assert events.at.max() < days * DAY


def test_the_bank_tells_of_a_user_at_most_once_a_day() -> None:
    events = draw_schedule(200, 3, 4)
    pushes = events.rows > 0
    summary = list(
        zip((events.at[pushes] // DAY).tolist(), events.user[pushes].tolist(), strict=True)
    )
    assert len(summary) == len(set(summary))


def test_a_few_users_have_most_of_the_transactions() -> None:
    rates = np.sort(draw_appetites(10_000, np.random.default_rng(5)))
    assert rates.mean() == pytest.approx(TRANSACTIONS_A_DAY)
    assert rates[-2_000:].sum() > 0.45 * rates.sum()


def test_what_a_machine_holds_needs_just_its_cores() -> None:
    held = estimate_users(COST, 2)
    assert held == pytest.approx(2 * UTILISATION * DAY / (0.020 * PEAK), rel=0.05)
    assert sum(estimate_need(COST, held, 2).cores.values()) == pytest.approx(2, rel=0.05)
    assert estimate_need(COST, held, 2).machines == 1
    assert estimate_need(COST, 3 * held, 2).machines == 3


def test_a_need_grows_with_the_users() -> None:
    assert estimate_need(COST, 1_000, 2).gigabytes_a_year == pytest.approx(
        1_000 * TRANSACTIONS_A_DAY * 365 * 500 / 1e9, 0.1
    )


def of_machines(users: int) -> list[str]:
    return [said for said in estimate_need(COST, users, 2).advice if "PostgreSQL alone" in said]


def test_what_postgresql_is_told_to_add_follows_from_the_cores_of_the_measured_machine() -> None:
    # Given so many users that PostgreSQL keeps one machine of 2 cores busy
    a_machine = int(2 * UTILISATION * DAY * 1_000 / (5.0 * PEAK))
    # Then fewer are told nothing, more of a bigger machine, and above four machines to distribute
    assert of_machines(int(0.9 * a_machine)) == []
    assert "bigger machine" in of_machines(int(1.1 * a_machine))[0]
    assert "bigger machine" in of_machines(int(3.9 * a_machine))[0]
    assert "distribute" in of_machines(int(4.1 * a_machine))[0]


def test_what_was_not_measured_is_called_a_rule_of_thumb() -> None:
    said = [
        line for line in estimate_need(COST, 1_000_000_000, 2).advice if "rule of thumb" in line
    ]
    assert ["partitions" in line for line in said] == [True, False]
    assert ["broker" in line for line in said] == [False, True]
    assert not any("rule of thumb" in line for line in estimate_need(COST, 1_000, 2).advice)


@pytest.mark.parametrize(
    ("users", "speed", "people"), [(100_000, 5_040, 20), (1_000, 5_040, 1), (300, 1, 300)]
)
def test_so_many_people_are_there_as_the_days_are_pressed(
    users: int, speed: float, people: int
) -> None:
    assert Plan(users=users, days=7, speed=speed).people == people


@pytest.mark.parametrize("pushes", [True, False])
def test_people_at_speed_act_as_often_a_second_as_all_users_do_in_life(*, pushes: bool) -> None:
    # Given a user base, and its people
    plan = Plan(users=20_000, days=10, speed=100.0)
    base, people = (draw_schedule(n, plan.days, 6) for n in (plan.users, plan.people))
    # When the days of the people pass at speed
    in_life, at_speed = (((events.rows > 0) == pushes).sum() for events in (base, people))
    # Then in a hundredth of the time a hundredth of the acts is done
    assert at_speed * plan.speed == pytest.approx(in_life, rel=0.05)


async def test_not_more_than_so_many_acts_are_on_their_way() -> None:
    # Given a system that does not answer
    client = SlowClient()
    # When more becomes due than may be on its way
    living = asyncio.create_task(lived(client, [0] * (AT_ONCE + 40)))
    for _ in range(3 * AT_ONCE):  # turns of the loop
        await asyncio.sleep(0)
    # Then the rest waits, and is done when there are answers
    assert client.waiting == AT_ONCE
    client.may_answer.set()
    crowd = await living
    assert crowd.seen.reads == 3 * (AT_ONCE + 40)
    assert crowd.seen.errors == 0


async def test_what_had_to_wait_for_its_turn_counts_from_when_it_was_due() -> None:
    # Given a system that answers at once
    client = SlowClient()
    client.may_answer.set()
    # When a push and an opening start long after they were due
    seen = (await lived(client, [3, 0])).seen
    # Then all seconds are those since then, but for the reads that follow an answer
    assert min(*seen.late, *seen.post, *seen.visible, seen.read[0]) >= LONG_AGO
    assert (len(seen.late), len(seen.post), len(seen.visible), len(seen.read)) == (2, 1, 1, 3)
    assert max(seen.read[1:]) < LONG_AGO
    assert seen.post[0] <= seen.visible[0]


async def test_what_is_not_answered_is_an_error_and_what_is_not_stored_is_lost() -> None:
    # Given one system without answers, and one that stores nothing
    away, forgetful = await lived(AbsentClient(), [2, 0]), await lived(SlowClient(added=0), [2])
    # Then
    summary = summarize_seen(away.seen, 10.0)
    assert (summary["errors"], summary["lost"], summary["pushes_per_s"]) == (2, 2, 0.1)
    summary = summarize_seen(forgetful.seen, 10.0)
    assert (summary["errors"], summary["lost"]) == (0, 2)


def test_what_doing_nothing_takes_is_no_cost() -> None:
    since, until = Mark(10.0, {"api": 1.0, "redis": 1.0}), Mark(20.0, {"api": 6.0, "redis": 1.1})
    assert subtract_idle(since, until, {"api": 0.2, "redis": 0.02}) == {"api": 3.0, "redis": 0.0}


class Constant(Meter):
    """Of a system that is as busy all the time."""

    def __init__(self, cores: float) -> None:
        self.cores = cores

    async def _cores(self, _: float) -> dict[str, float]:
        return {"api": self.cores}


async def test_what_is_never_idle_costs_all_that_it_spends() -> None:
    assert await Constant(0.01).measure_idle() == {"api": 0.01}
    assert await Constant(0.5).measure_idle() == {}
    assert subtract_idle(Mark(0.0, {"api": 0.0}), Mark(9.0, {"api": 1.0}), {}) == {"api": 1.0}


@pytest.mark.parametrize(
    "fault", [{"errors": 1}, {"lost": 1}, {"late_ms": {"p50": 1.0, "p99": 500.0}}]
)
def test_a_load_is_held_when_nothing_failed_or_was_lost_or_late(fault: dict[str, Any]) -> None:
    assert LOAD.held
    assert not replace(LOAD, **fault).held


def test_the_cost_is_that_of_the_held_load_with_the_most_people() -> None:
    # Given three loads, the largest of which was not held
    larger = replace(LOAD, users=200_000, people=40, cpu_s={"api": 4.2, "postgres": 2.8})
    largest = replace(LOAD, users=900_000, people=180, errors=1)
    # Then
    cost = compute_cost([LOAD, larger, largest])
    assert cost is not None
    assert cost.users == 200_000
    assert cost.per_thousand_users_a_day == {"api": 15.0, "postgres": 10.0}
    assert cost.per_million_transactions == {"api": 66.667, "postgres": 133.333}
    assert cost.bytes_a_transaction == 500


def test_without_a_held_load_or_sight_of_the_servers_nothing_is_estimated() -> None:
    assert compute_cost([replace(LOAD, lost=1)]) is None
    assert compute_cost([replace(LOAD, cpu_s={"api": 1.0})]) is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--minutes", "1", "--speed", "10"], "exclude each other"),
        (["--speed", "0.5"], "days pass 1 to 60,000 times"),
        (["--minutes", "0.001"], "days pass 1 to 60,000 times"),
    ],
)
def test_a_speed_that_cannot_be_is_refused(arguments: list[str], said: str) -> None:
    ended = CliRunner().invoke(command, arguments)
    assert ended.exit_code == 2
    assert said in ended.output
