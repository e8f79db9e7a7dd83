"""docs/reliability.md says what the kept results of the faults say."""

from __future__ import annotations

import json

from benchmarks.harness.readme import replace_block
from tests.faults import report

ROW = report.Row("1 worker killed", 3, 1200, 0, 0, 0.0, 0.114)


def test_the_page_has_the_table_of_the_kept_faults() -> None:
    # Given the kept results and the page, as it is
    kept = json.loads(report.KEPT.read_text(encoding="utf-8"))
    text = report.PAGE.read_text(encoding="utf-8")
    # When its table is made again
    again = replace_block(text, "faults", report.markdown(kept))
    # Then nothing changes
    assert again == text, "renew it: python -m tests.faults.report"


def test_a_later_run_replaces_its_own_faults_and_keeps_the_others(tmp_path) -> None:
    # Given the kept results of two faults
    file = tmp_path / "faults.json"
    other = ROW._replace(fault="2 broker killed")
    report.write([ROW, other], file)
    # When one of them runs again
    report.write([ROW._replace(accepted=900)], file)
    # Then the table has the new figures of the one and the old figures of the other
    table = report.markdown(json.loads(file.read_text()))
    assert "| 1 worker killed | 3 | 900 | 0 | 0 | 0.00 | 0.11 |\n" in table
    assert "| 2 broker killed | 3 | 1,200 | 0 | 0 | 0.00 | 0.11 |\n" in table
