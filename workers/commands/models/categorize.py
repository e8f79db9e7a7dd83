"""Categorize one description and explain the result."""

from __future__ import annotations

from dataclasses import asdict
from decimal import Decimal
from typing import Any

import click

from workers.commands.output import json_option, print_result


@click.command()
@click.argument("text")
@click.option(
    "--amount",
    type=Decimal,
    default=Decimal(-1),
    show_default=True,
    help="The amount in units of the currency; money out is negative.",
)
@click.option(
    "--mcc",
    type=click.IntRange(0, 9999),
    default=0,
    show_default=True,
    help="The merchant category code; 0 means unknown.",
)
@click.option("--currency", default="USD", show_default=True, help="The ISO 4217 code.")
@click.option("--model", help="The folder of a model.  [default: the shipped model]")
@json_option
def command(
    *, text: str, amount: Decimal, mcc: int, currency: str, model: str | None, as_json: bool
) -> None:
    """Categorize the description TEXT.

    The output gives the category, the confidence, the merchant, the reasons and the alternatives.
    """
    import numpy as np  # noqa: PLC0415 - slow to import, like all that follows

    from categorizer.columns import Columns  # noqa: PLC0415
    from models import evaluate  # noqa: PLC0415

    amounts = np.array([int(amount.scaleb(2).to_integral_value())])
    columns = Columns([text], amounts, np.array([mcc], dtype=np.int16), [currency])
    explanation = evaluate.load_model(model).explain(columns)
    result = asdict(explanation) | {
        "reasons": [reason._asdict() for reason in explanation.reasons],
        "alternatives": [other._asdict() for other in explanation.alternatives],
    }
    print_result(result, _print_explanation, as_json=as_json)


def _print_explanation(result: dict[str, Any]) -> None:
    review = ", needs review" if result["needs_review"] else ""
    processor = f", paid by {result['processor']}" if result["processor"] else ""
    reasons = "; ".join(reason["feature"] for reason in result["reasons"][:4])
    alternatives = ", ".join(
        f"{other['primary']} {other['probability']:.0%}" for other in result["alternatives"][1:4]
    )
    confidence = f"{result['confidence']:.0%} sure{review}; decided by {result['source']}"
    click.echo(f"{result['code']}  ({confidence})")
    click.echo(f"merchant      {result['merchant']}{processor}")
    click.echo(f"because       {reasons}")
    click.echo(f"alternatives  {alternatives}")
