"""From what a simulation cost to what a machine holds: arithmetic, marked as the estimate that it is."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Final

from workers.simulation.population import DAY, PEAK, TRANSACTIONS_A_DAY

UTILISATION: Final = 0.6  # of the cores in the busiest hour
_ROWS_A_PARTITION: Final = 50_000_000
_PRIMARY_CORES: Final = 32  # beyond, reads want replicas
_NODE_CORES: Final = 128  # beyond, one database is too small
_BROKER_ROWS_A_SECOND: Final = 50_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What was measured, in CPU seconds by kind of process, and bytes."""

    per_million_transactions: dict[str, float]
    per_thousand_users_a_day: dict[str, float]
    bytes_a_transaction: float

    @property
    def seen(self) -> bool:
        """Of a system that is not our own no CPU is seen."""
        return sum(self.per_thousand_users_a_day.values()) > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What so many active users need; an estimate, linear in the measured cost."""

    users: int
    cores: dict[str, float]  # in the busiest hour, at UTILISATION
    machines: int  # of the kind that was measured
    gigabytes_a_year: float
    advice: list[str]


def users_held(cost: Cost, cores: int) -> int:
    """Active users that so many cores serve in the busiest hour at UTILISATION."""
    a_user = sum(cost.per_thousand_users_a_day.values()) / 1_000
    return int(cores * UTILISATION * DAY / (a_user * PEAK))


def need(cost: Cost, users: int, cores: int) -> Need:
    """For `users`, on machines of so many cores."""
    busy = {
        kind: seconds * users / 1_000 * PEAK / DAY / UTILISATION
        for kind, seconds in cost.per_thousand_users_a_day.items()
    }
    year = users * TRANSACTIONS_A_DAY * 365
    return Need(
        users=users,
        cores={kind: round(value, 2) for kind, value in busy.items()},
        machines=ceil(sum(busy.values()) / cores),
        gigabytes_a_year=round(year * cost.bytes_a_transaction / 1e9, 1),
        advice=_advice(busy, year / 12, users * TRANSACTIONS_A_DAY * PEAK / DAY),
    )


def _advice(busy: dict[str, float], rows_a_month: float, rows_a_second: float) -> list[str]:
    """What to add, most pressing first."""
    said = [
        f"worker processes: {ceil(busy.get('workers', 0))}; API processes: {ceil(busy.get('api', 0))}"
    ]
    database = busy.get("postgres", 0.0)
    if database > _NODE_CORES:
        said.append("distribute the tables by user: one database is too small")
    elif database > _PRIMARY_CORES:
        said.append("read replicas: the primary's cores are for writes")
    if rows_a_month > _ROWS_A_PARTITION:
        said.append("partitions of less than a month, or by user within a month")
    if rows_a_second > _BROKER_ROWS_A_SECOND:
        said.append("a broker of its own for each group of users")
    said.append("for availability, not for load: three brokers, a standby of PostgreSQL")
    return said
