"""Twenty descriptors of each primary category that the shipped model must get right.

None of them stands in the development set. OTHER has none: it is what remains.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from categorizer.columns import Columns
from categorizer.scorer import Scorer


def _descriptors() -> dict[str, tuple[int, list[str]]]:
    """Primary -> amount in minor units, descriptions."""
    blocks: dict[str, tuple[int, list[str]]] = {}
    text = Path(__file__).with_name("descriptors.txt").read_text(encoding="utf-8")
    for block in text.split("[")[1:]:
        head, *lines = block.strip().splitlines()
        primary, sign = head.split("] ")
        blocks[primary] = (4200 if sign == "+" else -4200, lines)
    return blocks


@pytest.mark.parametrize(("primary", "case"), _descriptors().items())
def test_twenty_descriptors_of_a_category_are_right(
    scorer: Scorer, primary: str, case: tuple[int, list[str]]
) -> None:
    # Given twenty lines that a person would not doubt
    amount, lines = case
    assert len(set(lines)) == 20
    columns = Columns(
        lines, np.full(len(lines), amount), np.zeros(len(lines), np.int16), ["USD"] * len(lines)
    )

    # When the shipped model reads them
    codes = scorer.categorize(columns).codes.tolist()

    # Then it says what the person would say
    said = {
        line: scorer.taxonomy.detailed[code].primary
        for line, code in zip(lines, codes, strict=True)
    }
    assert {line: answer for line, answer in said.items() if answer != primary} == {}


def test_there_are_descriptors_of_every_category_but_other(scorer: Scorer) -> None:
    assert {*_descriptors(), "OTHER"} == {p.code for p in scorer.taxonomy.primaries}
