"""The README says what the kept results say."""

import pytest

from benchmarks import readme
from benchmarks.__main__ import README, kept
from tests.unit.benchmarks.results import LATENCY, PIPELINE


def test_the_readme_has_the_table_of_the_kept_results():
    text = README.read_text(encoding="utf-8")
    again = "python -m benchmarks --kept --write-readme"
    assert readme.renewed(text, kept()) == text, f"renew it: {again}"


def test_only_what_is_between_the_markers_is_written():
    text = f"before\n{readme.BEGIN}old\n{readme.END}after\n"
    renewed = readme.renewed(text, {"latency": LATENCY})
    assert renewed.startswith(f"before\n{readme.BEGIN}| benchmark |")
    assert renewed.endswith(f"{readme.END}after\n")
    assert "old" not in renewed
    assert readme.renewed(renewed, {"latency": LATENCY}) == renewed


def test_a_text_without_markers_is_refused():
    with pytest.raises(ValueError, match="bench: begin"):
        readme.renewed("no table here", {})


def test_results_of_one_run_share_the_sentence_of_where_they_come_from():
    text = readme.table({"latency": LATENCY, "pipeline": PIPELINE})
    source = "Measured 2026-11-24 at commit abc1234 on 2 cores of Abacus"
    assert text.endswith(f"\n{source}: latency, pipeline.\n")
