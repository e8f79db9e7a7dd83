"""The code keeps the bars of `make house`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.house.bars import CODE
from tests.support.house.report import MEASURES
from tests.support.house.source import Source, read_source


@pytest.fixture(scope="module")
def code() -> Source:
    return read_source(Path(__file__).parents[2], CODE)


@pytest.mark.parametrize("key", [key for key, measure in MEASURES.items() if measure.bar != "-"])
def test_the_code_keeps_its_bar(code: Source, key: str) -> None:
    # Given a measure with a bar
    measure = MEASURES[key]
    # When the code is measured
    value, places = measure.count(code)
    # Then it keeps the bar
    assert measure.keeps(value), "\n  ".join([f"{measure.title}: {value:g}", *places[:20]])
