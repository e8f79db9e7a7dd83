"""Who does what when: the seeded model of a user base, without any I/O.

A few people make most of the transactions (log-normal). Activity follows a curve over the hours of
the day (UTC). The bank pushes a user's rows once a day, and the app is opened three times a day.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

TRANSACTIONS_A_DAY: Final = 2.5  # mean over users
OPENINGS_A_DAY: Final = 3.0
DAY: Final = 86_400.0
_SKEW: Final = 0.9  # sigma of the logarithm of a user's transactions a day
# Share of a day's openings in each hour: a low at night, a high in the evening.
_HOURS: Final = np.array(
    [1, 0.5, 0.5, 0.5, 0.5, 1, 3, 5, 6, 5, 5, 5, 6, 6, 5, 5, 5, 6, 7, 8, 8, 7, 4, 2], np.float64
)
PEAK: Final = float(_HOURS.max() / _HOURS.mean())  # the busiest hour by the mean one


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """So many users live so many days, which pass `speed` times as fast as in life."""

    users: int
    days: int
    speed: float

    @property
    def people(self) -> int:
        """Who are really there: at `speed` they act as often a second as all the users do in life."""
        return max(1, round(self.users / self.speed))


@dataclass(frozen=True, slots=True)
class Schedule:
    """What happens, in order: `at` seconds from the start, `user` index, `rows` pushed, 0: an opening."""

    at: NDArray[np.float64]
    user: NDArray[np.int64]
    rows: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.at)


def draw_appetites(users: int, draw: np.random.Generator) -> NDArray[np.float64]:
    """Transactions a day of each user."""
    rates = draw.lognormal(0, _SKEW, users)
    rates *= TRANSACTIONS_A_DAY / rates.mean()
    return rates


def draw_schedule(users: int, days: int, seed: int) -> Schedule:
    """All pushes and openings of so many users in so many days."""
    draw = np.random.default_rng(seed)
    rows = draw.poisson(draw_appetites(users, draw), (days, users))
    pushed = np.nonzero(rows)
    opened = draw.poisson(OPENINGS_A_DAY, (days, users))
    day, user = np.nonzero(opened)
    day, user = np.repeat(day, opened[day, user]), np.repeat(user, opened[day, user])
    at = np.concatenate([_moments(pushed[0], draw), _moments(day, draw)])
    order = np.argsort(at, kind="stable")
    counts = np.concatenate([rows[pushed], np.zeros(len(user), np.int64)])
    return Schedule(at[order], np.concatenate([pushed[1], user])[order], counts[order])


def _moments(days: NDArray[np.int64], draw: np.random.Generator) -> NDArray[np.float64]:
    """A moment within each of the days, by the curve of the hours."""
    hours = draw.choice(24, len(days), p=_HOURS / _HOURS.sum())
    return days * DAY + (hours + draw.random(len(days))) * (DAY / 24)
