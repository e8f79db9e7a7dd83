"""Train a model from the corpus and write it as a verified artifact."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from workers.commands.output import json_option, print_result


@click.command()
@click.option("--shipped", is_flag=True, help="Replace the shipped model.")
@click.option("--out", type=click.Path(path_type=Path), help="The folder to write the model to.")
@json_option
def command(*, shipped: bool, out: Path | None, as_json: bool) -> None:
    """Train a model on the corpus, then calibrate and measure it on the development set."""
    from models import evaluate, train  # noqa: PLC0415 - scikit-learn is slow to import

    if shipped == (out is not None):
        raise click.UsageError("give either --shipped or --out")
    metrics = train.train_model(out or evaluate.SHIPPED)
    print_result(dict(sorted(metrics.items())), _print_metrics, as_json=as_json)


def _print_metrics(metrics: dict[str, Any]) -> None:
    for source, figures in metrics.items():
        click.echo(
            f"{source}: {figures['rows']} rows, accuracy {figures['accuracy']:.3f}, "
            f"macro-F1 {figures['macro_f1']:.3f}, calibration error {figures['ece']:.3f}"
        )
