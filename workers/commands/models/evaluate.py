"""Measure a model on labelled transactions that it has not learned from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import click


@click.command()
@click.option(
    "--data",
    "files",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    multiple=True,
    required=True,
    help="CSV: description, amount, category; mcc, currency, user, date where known.",
)
@click.option("--model", help="Folder or version; the shipped model when not given.")
@click.option(
    "--taxonomy", type=click.Choice(["v1", "v2"]), default="v2", help="Of the labels.",
    show_default=True,
)  # fmt: skip
@click.option("--splits", is_flag=True, help="Three splits side by side instead (needs dates).")
@click.option("--months", is_flag=True, help="What users' memory is worth from month to month.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--report", type=click.Path(path_type=Path), help="Folder for a page with plots.")
def command(
    *,
    files: tuple[Path, ...],
    model: str | None,
    taxonomy: Literal["v1", "v2"],
    splits: bool,
    months: bool,
    as_json: bool,
    report: Path | None,
) -> None:
    """Print accuracy, macro-F1, coverage, calibration and a table of categories."""
    from models import dataset, evaluate  # noqa: PLC0415 - numba is slow to import
    from models.simulation import user_years  # noqa: PLC0415
    from models.splits import side_by_side  # noqa: PLC0415

    labelled = dataset.read(files, taxonomy)
    scorer = evaluate.load(model)
    if months:
        years = user_years(scorer, labelled, taxonomy)
        click.echo(json.dumps(years) if as_json else _months_text(years))
        return
    if splits:
        table = side_by_side(scorer, labelled, taxonomy)
        click.echo(json.dumps(table) if as_json else _splits_text(table))
        return
    answers = evaluate.answer(scorer, labelled, taxonomy)
    figures = evaluate.figures(labelled, answers)
    if report:
        from models import report as page  # noqa: PLC0415 - matplotlib is an extra

        click.echo(f"report: {page.write(report, labelled, answers, figures)}", err=True)
    click.echo(json.dumps(figures) if as_json else _text(figures))


def _text(figures: dict[str, Any]) -> str:
    selected = figures["selected"]
    lines = [
        f"rows                      {figures['rows']}",
        f"accuracy                  {figures['accuracy']:.3f}",
        f"macro-F1                  {figures['macro_f1']:.3f}",
        f"coverage at 95 %          {figures['coverage_at_95']:.3f}",
        f"calibration error         {figures['ece']:.3f}",
        (
            f"without needs_review      {selected['precision']:.3f} right "
            f"of {selected['coverage']:.3f} of the rows"
        ),
    ]
    if figures["detailed"]:
        detailed = figures["detailed"]
        lines.append(
            f"detailed level            {detailed['accuracy']:.3f} of {detailed['rows']} rows, "
            f"macro-F1 {detailed['macro_f1']:.3f}"
        )
    lines += ["", f"{'category':<28}{'rows':>6}{'precision':>11}{'recall':>9}{'F1':>7}"]
    lines += [
        f"{name:<28}{row['rows']:>6}{row['precision']:>11.3f}{row['recall']:>9.3f}{row['f1']:>7.3f}"
        for name, row in figures["per_category"].items()
    ]
    return "\n".join(lines)


def _months_text(years: dict[str, Any]) -> str:
    return (
        f"from the second month on, {years['rows']} rows: {years['model']:.3f} right by the model, "
        f"{years['memory']:.3f} with the users' memory, which knows {years['covered']:.3f} of them"
    )


def _splits_text(table: dict[str, dict[str, dict[str, float]]]) -> str:
    lines = [f"{'split':<18}{'who':<15}{'rows':>6}{'accuracy':>10}{'macro-F1':>10}{'at 95 %':>9}"]
    lines += [
        f"{split:<18}{who:<15}{row['rows']:>6}{row['accuracy']:>10.3f}{row['macro_f1']:>10.3f}"
        f"{row['coverage_at_95']:>9.3f}"
        for split, contest in table.items()
        for who, row in contest.items()
    ]
    return "\n".join(lines)
