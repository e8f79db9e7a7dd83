"""The README's commands, run as written."""

from __future__ import annotations

from tests.support.pages import ROOT, run_page


def test_the_curl_examples_work_as_written(reader):
    # Given a system and a token, when the block is pasted into a shell
    (output,) = run_page(ROOT / "README.md", reader)
    # Then every call succeeds, and its answers hold what was pushed
    receipt, feed, sync, spending = output.splitlines()
    assert '"status":"stored"' in receipt
    assert "BLUE BOTTLE" in feed
    assert "BLUE BOTTLE" in sync
    assert '"by_category"' in spending
