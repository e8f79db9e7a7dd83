"""The report is a page of an evaluation: figures, confusion, reliability and coverage.

It needs the extra `plots`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from numpy.typing import NDArray

from models.dataset import Labelled
from models.evaluate import Answers
from models.metrics import BINS

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def write_report(
    folder: Path, labelled: Labelled, answers: Answers, figures: dict[str, Any]
) -> Path:
    """Write `index.html` and its plots to a folder; return the path of the page."""
    folder.mkdir(parents=True, exist_ok=True)
    right = np.array(labelled.primaries) == np.array(answers.primaries)
    _draw_plot(
        folder / "confusion.svg", lambda axes: _draw_confusion(axes, figures["confusion"]), 9
    )
    _draw_plot(
        folder / "reliability.svg", lambda axes: _draw_reliability(axes, answers.confidences, right)
    )
    _draw_plot(
        folder / "coverage.svg", lambda axes: _draw_coverage(axes, answers.confidences, right)
    )
    page = folder / "index.html"
    page.write_text(render_page(figures), encoding="utf-8")
    return page


def render_page(figures: dict[str, Any]) -> str:
    """Return the page as HTML; every text in it is escaped."""
    pages = Environment(loader=PackageLoader("models"), autoescape=True, undefined=StrictUndefined)
    selected = figures["selected"]
    return pages.get_template("report.html.jinja").render(
        rows=figures["rows"],
        figures={
            "accuracy": figures["accuracy"],
            "macro-F1": figures["macro_f1"],
            "coverage at 95 % precision": figures["coverage_at_95"],
            "expected calibration error": figures["ece"],
            "precision without needs_review": selected["precision"],
            "coverage without needs_review": selected["coverage"],
        },
        categories=figures["per_category"],
    )


def _draw_plot(path: Path, draw: Any, size: float = 5) -> None:
    from matplotlib.figure import Figure  # noqa: PLC0415 - it makes folders when it is imported

    figure = Figure(figsize=(size, size * 0.8), layout="constrained")
    draw(figure.subplots())
    figure.savefig(path, metadata={"Date": None})


def _draw_confusion(axes: Axes, table: dict[str, dict[str, int]]) -> None:
    labels = list(table)
    guesses = sorted({guess for row in table.values() for guess in row} | set(labels))
    counts = np.array([[table[label].get(guess, 0) for guess in guesses] for label in labels])
    axes.imshow(np.log1p(counts), cmap="Blues", aspect="auto")
    axes.set_xticks(range(len(guesses)), guesses, rotation=90, fontsize=6)
    axes.set_yticks(range(len(labels)), labels, fontsize=6)
    for (row, column), count in np.ndenumerate(counts):
        if count:
            axes.text(column, row, str(count), ha="center", va="center", fontsize=6)
    axes.set(xlabel="predicted", ylabel="label")


def _draw_reliability(
    axes: Axes, confidences: NDArray[np.float64], right: NDArray[np.bool_]
) -> None:
    band = np.minimum((confidences * BINS).astype(int), BINS - 1)
    used = np.unique(band)
    said = [confidences[band == b].mean() for b in used]
    axes.plot([0, 1], [0, 1], color="silver")
    axes.plot(said, [right[band == b].mean() for b in used], marker="o")
    axes.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1), ylim=(0, 1))


def _draw_coverage(axes: Axes, confidences: NDArray[np.float64], right: NDArray[np.bool_]) -> None:
    order = np.argsort(-confidences, kind="stable")
    taken = np.arange(1, len(order) + 1)
    axes.plot(taken / max(len(order), 1), np.cumsum(right[order]) / taken)
    axes.set(xlabel="share of rows, most confident first", ylabel="precision", xlim=(0, 1))
