"""The table, the JSON and the picture of a small checkout."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.house.__main__ import main
from tests.support.house.report import MEASURES, Measure, judge_value
from tests.support.house.shape import count_functions
from tests.unit.support.conftest import WriteTree

COUNT = Measure(title="", count=count_functions, most=3)
MEAN = Measure(title="", count=count_functions, least=1.5, step=0.05)


@pytest.mark.parametrize(
    ("measure", "value", "exception", "verdict"),
    [
        (COUNT, 3, None, ""),
        (COUNT, 4, None, "4 breaks the bar <= 3"),
        (COUNT, 9, 9, ""),
        (COUNT, 10, 9, "10 is worse than the exception 9"),
        (COUNT, 8, 9, "8 is better: tighten the exception"),
        (COUNT, 3, 9, "the bar is kept: remove the exception"),
        (MEAN, 1.3, 1.3, ""),
        (MEAN, 1.34, 1.3, ""),
        (MEAN, 1.36, 1.3, "1.36 is better: tighten the exception"),
        (MEAN, 1.29, 1.3, "1.29 is worse than the exception 1.3"),
        (MEAN, 1.5, None, ""),
    ],
)
def test_an_exception_follows_its_figure_and_never_gives_way(
    measure: Measure, value: float, exception: float | None, verdict: str
) -> None:
    assert judge_value(measure, value, exception) == verdict


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
