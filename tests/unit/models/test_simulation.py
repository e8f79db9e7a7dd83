"""A user whose corrections are remembered sees fewer mistakes from month to month."""

from __future__ import annotations

from categorizer.scorer import Scorer
from models import dataset, simulation
from models.train import DEVELOPMENT


def test_memory_removes_a_third_of_the_mistakes_from_the_second_month_on(scorer: Scorer) -> None:
    # Given two years of one household
    household = dataset.read_labelled([DEVELOPMENT / "household.csv"], "v1")

    # When each month's mistakes are set right at its end
    years = simulation.simulate_years(scorer, household, "v1")

    # Then most later rows are of merchants it knows, and a third of the mistakes is gone
    assert years["covered"] > 0.5
    assert 1 - years["memory"] < (1 - years["model"]) * 2 / 3
