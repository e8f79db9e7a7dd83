"""The commands around a model, as a data scientist types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from models.train import DEVELOPMENT
from workers.commands import main

pytestmark = pytest.mark.slow


def _run(*arguments: str) -> str:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_evaluate_prints_the_agreed_keys_as_json() -> None:
    file = str(DEVELOPMENT / "many_banks.csv")
    figures = json.loads(_run("evaluate", "--data", file, "--taxonomy", "v1", "--json"))
    assert {
        "rows",
        "accuracy",
        "macro_f1",
        "coverage_at_95",
        "ece",
        "selected",
        "per_category",
        "detailed",
        "confusion",
    } == figures.keys()
    assert figures["rows"] == 990
    assert figures["selected"].keys() == {"coverage", "precision"}


def test_evaluate_writes_a_page_with_plots(tmp_path: Path) -> None:
    file = str(DEVELOPMENT / "household.csv")
    _run("evaluate", "--data", file, "--taxonomy", "v1", "--report", str(tmp_path / "page"))
    assert {path.name for path in (tmp_path / "page").iterdir()} == {
        "index.html",
        "confusion.svg",
        "reliability.svg",
        "coverage.svg",
    }


def test_evaluate_says_which_line_it_cannot_read(tmp_path: Path) -> None:
    file = tmp_path / "bad.csv"
    file.write_text("description,amount,category\nX,?,TRAVEL\n", encoding="utf-8")
    result = CliRunner().invoke(main, ["evaluate", "--data", str(file)])
    assert result.exit_code == 1
    assert "line 2: amount is no decimal number" in result.output


def test_evaluate_refuses_a_version_that_is_not_shipped() -> None:
    file = str(DEVELOPMENT / "household.csv")
    result = CliRunner().invoke(main, ["evaluate", "--data", file, "--model", "999"])
    assert result.exit_code == 1
    assert "version 999 is not shipped" in result.output


def test_categorize_says_what_decided() -> None:
    line = ("categorize", "BLUE BOTTLE COFFEE #21", "--amount", "-4.50")
    by_model = json.loads(_run(*line, "--json"))
    by_rule = json.loads(_run(*line, "--mcc", "5814", "--json"))
    assert (by_model["primary"], by_model["source"]) == ("FOOD_AND_DRINK", "model")
    assert (by_rule["code"], by_rule["source"]) == ("FOOD_AND_DRINK_FAST_FOOD", "rule")
    assert by_model["reasons"]
    assert by_model["alternatives"][0]["primary"] == "FOOD_AND_DRINK"
    assert "Blue Bottle" in _run(*line)
