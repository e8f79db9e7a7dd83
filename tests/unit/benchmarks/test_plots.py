"""Plots of small results."""

from xml.etree import ElementTree as ET

from benchmarks.harness.plots import draw_plots
from tests.unit.benchmarks.results import LATENCY, PIPELINE

_BOTH = {"latency": LATENCY, "pipeline": PIPELINE}


def _texts(path):
    drawn = ET.parse(path)  # noqa: S314 - our own
    return {"".join(text.itertext()) for text in drawn.iter("{http://www.w3.org/2000/svg}text")}


def test_every_plot_is_well_formed_and_says_what_its_axes_measure(tmp_path):
    load, growth, peers = draw_plots(_BOTH, tmp_path)
    assert [path.name for path in (load, growth, peers)] == ["load.svg", "growth.svg", "peers.svg"]
    assert {"transactions offered per second", "milliseconds"} <= _texts(load)
    assert {"transactions in a run", "time per transaction, µs"} <= _texts(growth)
    assert {"transactions per second", "20,000", "180"} <= _texts(peers)


def test_the_same_results_are_drawn_the_same(tmp_path):
    first = [path.read_bytes() for path in draw_plots(_BOTH, tmp_path)]
    assert [path.read_bytes() for path in draw_plots(_BOTH, tmp_path)] == first


def test_only_what_was_measured_is_drawn(tmp_path):
    assert [path.name for path in draw_plots({"latency": LATENCY}, tmp_path)] == ["load.svg"]
    assert [path.name for path in tmp_path.iterdir()] == ["load.svg"]
