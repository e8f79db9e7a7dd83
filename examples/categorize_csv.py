"""Categorize the transactions of a CSV file in this process, without any server.

    python examples/categorize_csv.py FILE.csv > categorized.csv

The file has the columns description and amount; mcc and currency are optional. Amounts have at most
two decimals, and money out is negative. All columns are written again, with four more.
"""

import argparse
import csv
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np

from categorizer.columns import Columns
from categorizer.scorer import Scorer
from models import evaluate

Row = dict[str, str]
ADDED = ("predicted", "confidence", "merchant", "needs_review")


def read_columns(rows: list[Row]) -> Columns:
    """Turn rows of text into the columns that the categorizer reads."""
    return Columns(
        [row["description"] for row in rows],
        np.array([int(Decimal(row["amount"]).scaleb(2)) for row in rows], dtype=np.int64),
        np.array([int(row.get("mcc") or 0) for row in rows], dtype=np.int16),
        [row.get("currency") or "USD" for row in rows],
    )


def categorize(scorer: Scorer, rows: list[Row]) -> list[Row]:
    """Return the rows with category, confidence, merchant, and whether a person should look."""
    verdicts = scorer.categorize(read_columns(rows))
    answers = zip(
        [scorer.taxonomy.detailed[code].code for code in verdicts.codes],
        [f"{confidence:.3f}" for confidence in verdicts.confidences],
        verdicts.merchants,
        ["yes" if review else "no" for review in verdicts.needs_review],
        strict=True,
    )
    return [
        row | dict(zip(ADDED, answer, strict=True))
        for row, answer in zip(rows, answers, strict=True)
    ]


def main(file: Path) -> None:
    """Read the file and write the categorized rows to the standard output."""
    with file.open(encoding="utf-8-sig", newline="") as stream:
        reader = csv.DictReader(stream)
        rows, names = list(reader), list(reader.fieldnames or ())
    writer = csv.DictWriter(sys.stdout, [*names, *ADDED])
    writer.writeheader()
    writer.writerows(categorize(evaluate.load_model(), rows))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path, help="the CSV file")
    main(**vars(parser.parse_args()))
