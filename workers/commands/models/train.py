"""Train a model from the corpus and write it as a verified artifact."""

from __future__ import annotations

import json
from pathlib import Path

import click


@click.command()
@click.option("--shipped", is_flag=True, help="Replace the model that is shipped.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder to write the model to.")
@click.option("--json", "as_json", is_flag=True, help="Print the metrics as one JSON object.")
def command(*, shipped: bool, out: Path | None, as_json: bool) -> None:
    """Train on the corpus, calibrate and measure on the development set."""
    from models import evaluate, train  # noqa: PLC0415 - scikit-learn is slow to import

    if shipped == (out is not None):
        raise click.UsageError("give either --shipped or --out")
    metrics = train.train(out or evaluate.SHIPPED)
    if as_json:
        click.echo(json.dumps(metrics, sort_keys=True))
        return
    for source, figures in metrics.items():
        click.echo(
            f"{source}: {figures['rows']} rows, accuracy {figures['accuracy']:.3f}, "
            f"macro-F1 {figures['macro_f1']:.3f}, calibration error {figures['ece']:.3f}"
        )
