"""The pages in `docs/`: every block runs against a whole system, and prints what the page shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.pages import ROOT, RUN, list_pages, read_blocks, run_page


def _runs(page: Path) -> bool:
    return page.parent != ROOT and any(
        b.language in RUN and not b.excuse for b in read_blocks(page)
    )


@pytest.mark.parametrize("page", [*filter(_runs, list_pages())], ids=lambda page: page.stem)
def test_a_page_does_what_it_says(page, reader):
    run_page(page, reader)
