"""Measure a model on labelled transactions that it has not learned from."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import click

from workers.commands.output import json_option, print_notice, print_result


@click.command()
@click.option(
    "--data",
    "files",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    multiple=True,
    required=True,
    help="A CSV file of description, amount, category, and if known mcc, currency, user, date.",
)
@click.option("--model", help="The folder or version of a model.  [default: the shipped model]")
@click.option(
    "--taxonomy", type=click.Choice(["v1", "v2"]), default="v2", show_default=True,
    help="The taxonomy of the labels.",
)  # fmt: skip
@click.option("--splits", is_flag=True, help="Compare three splits instead; needs dates.")
@click.option(
    "--months", is_flag=True, help="Measure instead what users' memory adds from month to month."
)
@json_option
@click.option("--report", type=click.Path(path_type=Path), help="The folder for a page with plots.")
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
    """Print the accuracy, macro-F1, coverage and calibration of a model, and a table of categories."""
    from models import dataset, evaluate  # noqa: PLC0415 - numba is slow to import
    from models.simulation import simulate_years  # noqa: PLC0415
    from models.splits import compare_splits  # noqa: PLC0415

    labelled = dataset.read_labelled(files, taxonomy)
    scorer = evaluate.load_model(model)
    if months:
        years = simulate_years(scorer, labelled, taxonomy)
        print_result(years, _print_months, as_json=as_json)
        return
    if splits:
        table = compare_splits(scorer, labelled, taxonomy)
        print_result(table, _print_splits, as_json=as_json)
        return
    answers = evaluate.answer_rows(scorer, labelled, taxonomy)
    figures = evaluate.measure_answers(labelled, answers)
    if report:
        from models import report as page  # noqa: PLC0415 - matplotlib is an extra

        print_notice(f"report: {page.write_report(report, labelled, answers, figures)}")
    print_result(figures, _print_figures, as_json=as_json)


def _print_figures(figures: dict[str, Any]) -> None:
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
    click.echo("\n".join(lines))


def _print_months(years: dict[str, Any]) -> None:
    click.echo(
        f"from the second month on, {years['rows']} rows: {years['model']:.3f} right by the model, "
        f"{years['memory']:.3f} with the users' memory, which knows {years['covered']:.3f} of them"
    )


def _print_splits(table: dict[str, dict[str, dict[str, float]]]) -> None:
    lines = [f"{'split':<18}{'who':<15}{'rows':>6}{'accuracy':>10}{'macro-F1':>10}{'at 95 %':>9}"]
    lines += [
        f"{split:<18}{who:<15}{row['rows']:>6}{row['accuracy']:>10.3f}{row['macro_f1']:>10.3f}"
        f"{row['coverage_at_95']:>9.3f}"
        for split, contest in table.items()
        for who, row in contest.items()
    ]
    click.echo("\n".join(lines))
