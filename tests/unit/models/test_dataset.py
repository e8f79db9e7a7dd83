"""Labelled files: what is read, and what is refused by file and line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models import dataset


def _file(folder: Path, text: str) -> Path:
    path = folder / "labelled.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_optional_columns_may_be_missing(tmp_path: Path) -> None:
    path = _file(tmp_path, "description,amount,category\nTESCO,-4.50,FOOD_AND_DRINK\n")
    labelled = dataset.read_labelled([path])
    assert labelled.columns.amounts.tolist() == [-450]
    assert labelled.columns.currencies == ["USD"]
    assert labelled.primaries == ["FOOD_AND_DRINK"]
    assert labelled.detailed == [""]


def test_a_detailed_label_gives_its_primary_too(tmp_path: Path) -> None:
    path = _file(tmp_path, "description,amount,category\nX,-1,FOOD_AND_DRINK_COFFEE\n")
    labelled = dataset.read_labelled([path])
    assert (labelled.primaries, labelled.detailed) == (
        ["FOOD_AND_DRINK"],
        ["FOOD_AND_DRINK_COFFEE"],
    )


def test_labels_of_v1_stay_in_v1(tmp_path: Path) -> None:
    path = _file(tmp_path, "description,amount,category\nX,9,TRANSFER_IN_CASH_ADVANCES_AND_LOANS\n")
    assert dataset.read_labelled([path], "v1").primaries == ["TRANSFER_IN"]


def test_rows_can_be_taken(tmp_path: Path) -> None:
    path = _file(tmp_path, "description,amount,category\nA,-1,TRAVEL\nB,-2,INCOME\n")
    taken = dataset.read_labelled([path]).take_rows(np.array([1]))
    assert (taken.columns.descriptions, taken.primaries) == (["B"], ["INCOME"])


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("X,four,TRAVEL,", "line 2: amount is no decimal number"),
        ("X,NaN,TRAVEL,", "line 2: amount is no decimal number"),
        ("X,-4,TRAVEL,54x", "line 2: mcc is no number of four digits"),
    ],
)
def test_a_value_that_cannot_be_read_is_named_by_its_line(
    tmp_path: Path, row: str, problem: str
) -> None:
    path = _file(tmp_path, f"description,amount,category,mcc\n{row}\n")
    with pytest.raises(dataset.UnreadableDataset, match=problem):
        dataset.read_labelled([path])


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    path = _file(tmp_path, "description,amount\nX,-1\n")
    with pytest.raises(dataset.UnreadableDataset, match="no column category"):
        dataset.read_labelled([path])
