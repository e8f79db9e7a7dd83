"""README.md and docs/figures.md say what the kept results say."""

import pytest

from benchmarks.__main__ import read_kept_results
from benchmarks.harness import readme
from tests.unit.benchmarks.results import CACHE, LATENCY, PIPELINE

RENEW = "renew it: python -m benchmarks --kept --write-docs"


def test_the_readme_has_the_figures_of_the_kept_results():
    # Given the README, as it is
    text = readme.README.read_text(encoding="utf-8")
    # When its figures are made again
    again = readme.replace_block(text, "figures", readme.format_highlights(read_kept_results()))
    # Then nothing changes
    assert again == text, RENEW


def test_the_page_of_figures_has_the_claims_of_the_kept_results():
    # Given the page, as it is
    text = readme.FIGURES.read_text(encoding="utf-8")
    # When its table is made again
    again = readme.replace_block(text, "claims", readme.format_claims(read_kept_results()))
    # Then nothing changes
    assert again == text, RENEW


def test_both_files_are_renewed_from_the_same_results(tmp_path, monkeypatch):
    # Given two files with old figures
    for name, block in (("README", "figures"), ("FIGURES", "claims")):
        file = tmp_path / f"{name}.md"
        file.write_text(f"<!-- {block}: begin -->\nold\n<!-- {block}: end -->\n")
        monkeypatch.setattr(readme, name, file)
    # When they are renewed
    readme.renew_figures({"latency": LATENCY})
    # Then both tell of the new result
    assert "**90 ms** from POST to visible" in readme.README.read_text()
    assert "| latency | visible p99 at half load, ms" in readme.FIGURES.read_text()


def test_the_highlights_are_throughput_latency_and_what_the_cache_saves():
    # Given results in another order
    results = {"cache": CACHE, "latency": LATENCY, "pipeline": PIPELINE}
    # When the README's lines are made
    lines = readme.format_highlights(results).splitlines()
    # Then each is one figure, and the last line says where they come from
    assert [line.partition("**")[2].partition("**")[0] for line in lines[:3]] == [
        "20,000 transactions a second",
        "90 ms",
        "90% of the database's CPU",
    ]
    assert lines[-1].endswith(": pipeline, latency, cache.")


def test_only_what_is_between_the_markers_is_written():
    # Given a text around a block
    text = "before\n<!-- claims: begin -->\nold\n<!-- claims: end -->\nafter\n"
    # When the block is replaced
    renewed = readme.replace_block(text, "claims", "new\n")
    # Then the text around it stays
    assert renewed == "before\n<!-- claims: begin -->\nnew\n<!-- claims: end -->\nafter\n"


def test_a_text_without_markers_is_refused():
    with pytest.raises(ValueError, match="claims: begin"):
        readme.replace_block("no table here", "claims", "")


def test_results_of_one_run_share_the_sentence_of_where_they_come_from():
    text = readme.format_claims({"latency": LATENCY, "pipeline": PIPELINE})
    source = "Measured 2026-11-24 at commit abc1234 on 2 cores of Abacus"
    assert text.endswith(f"\n{source}: latency, pipeline.\n")
