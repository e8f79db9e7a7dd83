"""Categorize one description and say why."""

from __future__ import annotations

import json
from dataclasses import asdict
from decimal import Decimal
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from categorizer.explanation import Explanation


@click.command()
@click.argument("text")
@click.option("--amount", type=Decimal, default=Decimal(-1), help="Negative = money out.")
@click.option("--mcc", type=click.IntRange(0, 9999), default=0, help="Merchant category code.")
@click.option("--currency", default="USD", show_default=True)
@click.option("--model", help="Folder of a model; the shipped one when not given.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def command(
    *, text: str, amount: Decimal, mcc: int, currency: str, model: str | None, as_json: bool
) -> None:
    """Categorize TEXT: category, confidence, merchant, what decided, alternatives."""
    import numpy as np  # noqa: PLC0415 - slow to import, like all that follows

    from categorizer.columns import Columns  # noqa: PLC0415
    from models import evaluate  # noqa: PLC0415

    amounts = np.array([int(amount.scaleb(2).to_integral_value())])
    columns = Columns([text], amounts, np.array([mcc], dtype=np.int16), [currency])
    explanation = evaluate.load(model).explain(columns)
    told = asdict(explanation) | {
        "reasons": [reason._asdict() for reason in explanation.reasons],
        "alternatives": [other._asdict() for other in explanation.alternatives],
    }
    click.echo(json.dumps(told, ensure_ascii=False) if as_json else _text(explanation))


def _text(told: Explanation) -> str:
    review = ", needs review" if told.needs_review else ""
    return "\n".join(
        [
            f"{told.code}  ({told.confidence:.0%} sure{review}; decided by {told.source})",
            f"merchant      {told.merchant}"
            + (f", paid by {told.processor}" if told.processor else ""),
            "because       " + "; ".join(reason.feature for reason in told.reasons[:4]),
            "alternatives  "
            + ", ".join(
                f"{other.primary} {other.probability:.0%}" for other in told.alternatives[1:4]
            ),
        ]
    )
