"""The capacity table of docs/figures.md."""

from __future__ import annotations

import json

from benchmarks import simulate
from benchmarks.harness import readme


def test_the_page_of_figures_has_the_table_of_the_kept_simulation() -> None:
    # Given the kept simulation and the page, as it is
    kept = json.loads((simulate.RESULTS / "simulate.json").read_text(encoding="utf-8"))
    text = readme.FIGURES.read_text(encoding="utf-8")
    # When the table is made again
    again = readme.replace_block(text, "capacity", simulate.format_table(kept))
    # Then nothing changes
    assert again == text, "renew it: python -m benchmarks.simulate --kept"
