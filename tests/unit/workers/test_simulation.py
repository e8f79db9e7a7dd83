"""The model of a user base, and what follows from its cost."""

from __future__ import annotations

import numpy as np
import pytest

from workers.simulation.capacity import UTILISATION, Cost, need, users_held
from workers.simulation.population import (
    DAY,
    OPENINGS_A_DAY,
    PEAK,
    TRANSACTIONS_A_DAY,
    appetites,
    schedule,
)

COST = Cost(
    per_million_transactions={"api": 10.0, "postgres": 30.0},
    per_thousand_users_a_day={"api": 12.0, "workers": 3.0, "postgres": 5.0},
    bytes_a_transaction=500.0,
)


def test_the_same_seed_gives_the_same_people_and_days() -> None:
    one, same, other = schedule(50, 2, 1), schedule(50, 2, 1), schedule(50, 2, 2)
    assert (one.at == same.at).all()
    assert (one.rows == same.rows).all()
    assert len(one) != len(other) or (one.at != other.at).any()


def test_users_do_on_average_what_is_claimed_within_their_days() -> None:
    users, days = 2_000, 5
    events = schedule(users, days, 3)
    pushes = events.rows > 0
    assert events.rows.sum() / (users * days) == pytest.approx(TRANSACTIONS_A_DAY, rel=0.05)
    assert (~pushes).sum() / (users * days) == pytest.approx(OPENINGS_A_DAY, rel=0.05)
    assert (np.diff(events.at) >= 0).all()
    assert events.at.min() >= 0
    assert events.at.max() < days * DAY


def test_the_bank_tells_of_a_user_at_most_once_a_day() -> None:
    events = schedule(200, 3, 4)
    pushes = events.rows > 0
    told = list(zip((events.at[pushes] // DAY).tolist(), events.user[pushes].tolist(), strict=True))
    assert len(told) == len(set(told))


def test_a_few_users_have_most_of_the_transactions() -> None:
    found = np.sort(appetites(10_000, np.random.default_rng(5)))
    assert found.mean() == pytest.approx(TRANSACTIONS_A_DAY)
    assert found[-2_000:].sum() > 0.45 * found.sum()


def test_what_a_machine_holds_needs_just_its_cores() -> None:
    held = users_held(COST, 2)
    assert held == int(2 * UTILISATION * DAY / (0.020 * PEAK))
    assert sum(need(COST, held, 2).cores.values()) == pytest.approx(2, rel=0.02)
    assert need(COST, held, 2).machines == 1
    assert need(COST, 3 * held, 2).machines == 3


def test_more_users_are_told_to_add_what_runs_out_first() -> None:
    small, large = need(COST, 1_000, 2), need(COST, 1_000_000_000, 2)
    assert small.gigabytes_a_year == pytest.approx(
        1_000 * TRANSACTIONS_A_DAY * 365 * 500 / 1e9, 0.1
    )
    assert not any("distribute" in said or "partitions" in said for said in small.advice)
    assert any("distribute" in said for said in large.advice)
    assert any("partitions" in said for said in large.advice)
