"""Labelled transactions are read from CSV files, for an evaluation or a calibration.

The columns `description`, `amount` and `category` are required. The columns `detailed`, `mcc`,
`currency`, `user`, `date` and `source` are optional. Amounts are decimal, negative for money out.
A category is a primary or a detailed code.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

from categorizer import taxonomy
from categorizer.columns import Columns
from pipeline.errors import Permanent

Version = Literal["v1", "v2"]


class UnreadableDataset(Permanent):
    """A file of labelled transactions lacks a column or holds a value that cannot be read."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """Labelled transactions are columns of length n; texts are empty where the file has none."""

    columns: Columns
    primaries: list[str]
    """Primary codes in the taxonomy of the labels."""
    detailed: list[str]
    users: list[str]
    dates: list[str]
    sources: list[str]

    def __len__(self) -> int:
        return len(self.primaries)

    def take_rows(self, rows: NDArray[np.intp]) -> Self:
        """Return the rows of these indices, in their order."""
        at = rows.tolist()
        columns = Columns(
            [self.columns.descriptions[i] for i in at],
            self.columns.amounts[rows],
            self.columns.mccs[rows],
            [self.columns.currencies[i] for i in at],
        )
        texts = (self.primaries, self.detailed, self.users, self.dates, self.sources)
        return type(self)(columns, *([text[i] for i in at] for text in texts))


def read_labelled(paths: Sequence[Path], version: Version = "v2") -> Labelled:
    """Return all rows of all files in order; raises UnreadableDataset, naming file and line."""
    rows = [row for path in paths for row in _read_rows(path)]
    labels = [_read_label(row, version) for row in rows]
    return Labelled(
        Columns(
            [row["description"] for row in rows],
            np.array([_count_minor_units(row["amount"]) for row in rows], dtype=np.int64),
            np.array([int(row.get("mcc") or 0) for row in rows], dtype=np.int16),
            [row.get("currency") or "USD" for row in rows],
        ),
        primaries=[primary for primary, _ in labels],
        detailed=[code for _, code in labels],
        users=[row.get("user") or "" for row in rows],
        dates=[row.get("date") or "" for row in rows],
        sources=[row.get("source") or "" for row in rows],
    )


def _read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    for number, row in enumerate(rows, start=2):
        problem = _find_problem(row)
        if problem:
            raise UnreadableDataset(f"{path}, line {number}: {problem}")
    return rows


def _find_problem(row: Mapping[str, str | None]) -> str:
    for name in ("description", "amount", "category"):
        if row.get(name) is None:
            return f"no column {name}"
    if not _is_amount(row["amount"] or ""):
        return "amount is no decimal number"
    mcc = row.get("mcc") or "0"
    return "" if mcc.isdecimal() and int(mcc) < 10_000 else "mcc is no number of four digits"


def _is_amount(text: str) -> bool:
    try:
        return Decimal(text).is_finite()
    except InvalidOperation:
        return False


def _count_minor_units(amount: str) -> int:
    return int((Decimal(amount) * 100).to_integral_value())


def _read_label(row: Mapping[str, str], version: Version) -> tuple[str, str]:
    """Return the primary and, where the label has one, the detailed code, in the labels' taxonomy."""
    categories = taxonomy.load_taxonomy()
    category = row["category"].strip().upper()
    if category not in {primary.code for primary in categories.primaries}:
        primary = (
            categories.primary_of_v1(category)
            if version == "v1"
            else categories.fold_primary(category)
        )
        return primary, category
    detailed = (row.get("detailed") or "").strip().upper()
    if version == "v1" and detailed in categories.index:
        money_in = not row["amount"].strip().startswith("-")
        detailed = categories.to_v1(categories.index[detailed], money_in=money_in)
    return category, detailed
