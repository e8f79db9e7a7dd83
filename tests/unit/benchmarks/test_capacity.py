"""The capacity page of the README."""

from __future__ import annotations

import json

from benchmarks import simulate


def test_the_readme_has_the_table_of_the_kept_simulation() -> None:
    kept = json.loads((simulate.RESULTS / "simulate.json").read_text(encoding="utf-8"))
    text = simulate.README.read_text(encoding="utf-8")
    _, _, rest = text.partition(simulate.BEGIN)
    assert rest.partition(simulate.END)[0] == simulate.table(kept)
