"""Plots of the results: the same SVG for the same figures, legible on light and on dark.

Needs the extra `plots`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from benchmarks.harness.claims import Results

_INK = "#7d848c"  # as far from white as from black
_BLUE, _ORANGE, _GREEN, _RED = "#3b82f6", "#d97706", "#16a34a", "#e0465a"
_STYLE: dict[Any, Any] = {
    "svg.hashsalt": "spendline",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 11,
    "text.color": _INK,
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": _INK,
    "grid.alpha": 0.25,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "legend.frameon": False,
    "lines.marker": "o",
    "lines.linewidth": 2,
}


def draw_plots(results: Results, folder: Path) -> list[Path]:
    """Draw what there are results for, into `folder`."""
    drawn: dict[str, tuple[str, Callable[[Figure, Any], None]]] = {
        "load": ("latency", _load),
        "growth": ("pipeline", _growth),
        "peers": ("pipeline", _peers),
    }
    return [
        _saved(folder / f"{name}.svg", draw, results[of])
        for name, (of, draw) in drawn.items()
        if of in results
    ]


def _saved(path: Path, draw: Callable[[Figure, Any], None], result: Mapping[str, Any]) -> Path:
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(9, 3.6), layout="constrained")
        draw(figure, result)
        figure.savefig(path, transparent=True, metadata={"Date": None})
    return path


def _load(figure: Figure, latency: Mapping[str, Any]) -> None:
    """Throughput and latency against load."""
    levels = latency["levels"].values()
    offered = [level["offered_tx_per_s"] for level in levels]
    rates, times = figure.subplots(1, 2)
    rates.plot(offered, offered, color=_INK, linestyle=":", marker="", label="offered")
    rates.plot(offered, [level["tx_per_s"] for level in levels], color=_BLUE, label="visible")
    rates.set(title="Throughput", ylabel="transactions visible per second", ylim=(0, None))
    rates.yaxis.set_major_formatter("{x:,.0f}")
    for name, part, quantile, color in (
        ("POST p50", "post", "p50_ms", _GREEN),
        ("POST p99", "post", "p99_ms", _BLUE),
        ("visible p99", "visible", "p99_ms", _RED),
    ):
        times.plot(offered, [level[part][quantile] for level in levels], color=color, label=name)
    times.set(title="Latency", ylabel="milliseconds", yscale="log")
    times.yaxis.set_major_formatter("{x:,g}")
    for axes in (rates, times):
        axes.set(xlabel="transactions offered per second", xlim=(0, None))
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.legend()


def _growth(figure: Figure, pipeline: Mapping[str, Any]) -> None:
    """Cost per transaction against the rows of a run."""
    panels = figure.subplots(1, 2, sharex=True)
    workers = {
        f"{pipeline['workers']} workers": (pipeline["growth"], _BLUE),
        "1 worker": (pipeline["one_worker"]["growth"], _ORANGE),
    }
    for axes, unit, label in zip(
        panels, ("us_per_tx", "cpu_us_per_tx"), ("time", "CPU time"), strict=True
    ):
        for name, (growth, color) in workers.items():
            rows = [int(rows) for rows in growth["by_rows"]]
            costs = [by[unit] for by in growth["by_rows"].values()]
            axes.plot(rows, costs, color=color, label=name)
        axes.set(xlabel="transactions in a run", xscale="log", yscale="log")
        axes.set(ylabel=f"{label} per transaction, µs")
        axes.xaxis.set_major_formatter(EngFormatter(sep=""))
        axes.yaxis.set_major_formatter("{x:,g}")
        axes.legend()


def _peers(figure: Figure, pipeline: Mapping[str, Any]) -> None:
    """Transactions per second."""
    bars = {
        "bare COPY": (pipeline["copy_tx_per_s"], _INK),
        "Spendline": (pipeline["pipeline_tx_per_s"], _BLUE),
        "rules in SQL": (pipeline["sql_tx_per_s"], _ORANGE),
        "Celery, a row a task": (pipeline["celery_tx_per_s"], _ORANGE),
        "dramatiq, a row a message": (pipeline["naive_tx_per_s"], _ORANGE),
    }
    axes = figure.subplots()
    names = list(bars)[::-1]
    drawn = axes.barh(
        names, [bars[name][0] for name in names], color=[bars[name][1] for name in names]
    )
    axes.bar_label(drawn, fmt="{:,.0f}", padding=4, color=_INK)
    axes.set(xlabel="transactions per second")
    axes.margins(x=0.15)  # room for the longest bar's figure
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.grid(visible=False, axis="y")
