"""From what a load cost to what a machine holds: arithmetic, marked as the estimate that it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Final

from benchmarks.simulation.load import Load
from benchmarks.simulation.population import DAY, PEAK, TRANSACTIONS_A_DAY

UTILISATION: Final = 0.6  # of the cores in the busiest hour
_MACHINES_OF_ONE_DATABASE: Final = 4  # as large as the measured one; beyond, it is too small
_ROWS_A_PARTITION: Final = 50_000_000
_BROKER_ROWS_A_SECOND: Final = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What the load of `users` cost: CPU seconds above idle by kind of process, and bytes."""

    users: int
    per_million_transactions: dict[str, float]
    per_thousand_users_a_day: dict[str, float]
    bytes_a_transaction: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What so many active users need; an estimate, linear in the measured cost."""

    users: int
    cores: dict[str, float]  # in the busiest hour, at UTILISATION
    machines: int  # of the kind that was measured
    gigabytes_a_year: float
    advice: list[str]


def compute_cost(loads: Sequence[Load]) -> Cost | None:
    """Of the held load with the most people; None without one whose whole system was seen."""
    seen = [load for load in loads if load.held and "postgres" in load.cpu_s and load.busy_cores]
    if not seen:
        return None
    load = max(seen, key=lambda load: load.people)
    return Cost(
        users=load.users,
        per_million_transactions=_by(load.history.cpu_s, load.history.transactions / 1e6),
        per_thousand_users_a_day=_by(load.cpu_s, load.people * load.days / 1_000),
        bytes_a_transaction=round(load.history.bytes / load.history.transactions, 1),
    )


def estimate_users(cost: Cost, cores: int) -> int:
    """Active users that so many cores serve in the busiest hour at UTILISATION, to two digits."""
    a_user = sum(cost.per_thousand_users_a_day.values()) / 1_000
    held = int(cores * UTILISATION * DAY / (a_user * PEAK))
    digit: int = 10 ** max(0, len(str(held)) - 2)
    return held // digit * digit


def estimate_need(cost: Cost, users: int, cores: int) -> Need:
    """For `users`, on machines of so many cores."""
    busy = {
        kind: seconds * users / 1_000 * PEAK / DAY / UTILISATION
        for kind, seconds in cost.per_thousand_users_a_day.items()
    }
    year = users * TRANSACTIONS_A_DAY * 365
    rows_a_second = users * TRANSACTIONS_A_DAY * PEAK / DAY
    return Need(
        users=users,
        cores={kind: round(value, 2) for kind, value in busy.items()},
        machines=ceil(sum(busy.values()) / cores),
        gigabytes_a_year=round(year * cost.bytes_a_transaction / 1e9, 1),
        advice=[*_of_machines(busy, cores), *_of_thumb(year / 12, rows_a_second)],
    )


def _of_machines(busy: Mapping[str, float], cores: int) -> Iterator[str]:
    """What to add, beside machines of so many cores."""
    yield (
        f"worker processes: {ceil(busy.get('workers', 0))}; API processes: {ceil(busy.get('api', 0))}"
    )
    database = busy.get("postgres", 0.0)
    if database > _MACHINES_OF_ONE_DATABASE * cores:
        yield (
            "distribute the tables by user: PostgreSQL alone needs "
            f"more than {_MACHINES_OF_ONE_DATABASE} such machines"
        )
    elif database > cores:
        yield (
            "read replicas, or a bigger machine for the database: "
            f"PostgreSQL alone needs more than {cores} cores"
        )
    yield "for availability, not for load: three brokers, a standby of PostgreSQL"


def _of_thumb(rows_a_month: float, rows_a_second: float) -> Iterator[str]:
    """What no measurement here says."""
    if rows_a_month > _ROWS_A_PARTITION:
        yield (
            f"rule of thumb, above {_ROWS_A_PARTITION:,} rows a partition: "
            "partitions of less than a month, or by user within it"
        )
    if rows_a_second > _BROKER_ROWS_A_SECOND:
        yield (
            f"rule of thumb, above {_BROKER_ROWS_A_SECOND:,} rows a second: "
            "a broker for each group of users"
        )


def _by(parts: Mapping[str, float], units: float) -> dict[str, float]:
    return {kind: round(value / units, 3) for kind, value in parts.items()}
