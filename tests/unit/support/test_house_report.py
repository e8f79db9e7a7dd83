"""The table, the JSON and the picture of a small checkout."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.house.__main__ import main
from tests.support.house.report import MEASURES, Measure
from tests.support.house.shape import count_functions
from tests.unit.support.conftest import WriteTree

COUNT = Measure(title="", count=count_functions, most=3)
MEAN = Measure(title="", count=count_functions, least=1.5)


@pytest.mark.parametrize(
    ("measure", "value", "kept"),
    [(COUNT, 3, True), (COUNT, 4, False), (MEAN, 1.5, True), (MEAN, 1.49, False)],
)
def test_a_figure_keeps_its_bar_up_to_the_bar_itself(
    *, measure: Measure, value: float, kept: bool
) -> None:
    assert measure.keeps(value) is kept


def test_the_table_names_the_places_of_what_is_not_kept(
    write_tree: WriteTree, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Given code with a vague variable, and tests with two functions
    write_tree({"api/a.py": '"""Module."""\nfound = 1', "tests/a.py": "def f(): ...\ndef g(): ..."})
    # When the checkout is measured
    main(["--tree", str(tmp_path)])
    rows = capsys.readouterr().out.splitlines()
    # Then each figure stands beside its bar and the figure of the tests
    assert ["functions", "0", "-", "-", "2"] in [row.split() for row in rows]
    at = next(n for n, row in enumerate(rows) if row.startswith("variables found"))
    assert rows[at].split()[-5:] == ["1", "<=", "0", "NO", "0"]
    assert rows[at + 1].strip() == "api/a.py: 1 (1 found)"


def test_json_holds_every_figure_with_its_places(
    write_tree: WriteTree, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_tree({"api/a.py": "found = 1"})
    main(["--tree", str(tmp_path), "--json"])
    figures = {figure["key"]: figure for figure in json.loads(capsys.readouterr().out)}
    assert list(figures) == list(MEASURES)
    assert figures["vague_variables"]["places"] == ["api/a.py: 1 (1 found)"]
    assert figures["vague_variables"]["kept"] is False
    assert figures["functions"]["kept"] is None


def test_the_picture_shows_each_module_with_its_layer_and_what_is_wrong(
    write_tree: WriteTree, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    # Given a journey of which two modules exist
    write_tree({"api/ingest/push.py": "import api.ingest.parse", "api/ingest/parse.py": ""})
    # When it is drawn
    main(["--tree", str(tmp_path), "--journey"])
    rows = [row.split() for row in capsys.readouterr().out.splitlines()]
    # Then the steps between them are joined, and the last line counts the others
    assert ["api.ingest.push", "5", "process", "begins"] in rows
    assert ["-->", "api.ingest.parse", "5", "process", "called", "by", "api.ingest.push"] in rows
    assert ["-->", "api.ingest.validate", "5", "process", "ABSENT"] in rows
    assert rows[-1][1:] == ["steps", "are", "broken;", "0", "of", "them", "climb", "back", "up."]
