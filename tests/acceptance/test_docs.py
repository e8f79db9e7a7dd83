"""The pages in `docs/`: every block runs against a whole system, and prints what the page shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pages import ROOT, RUN, blocks, pages, run


def _runs(page: Path) -> bool:
    return page.parent != ROOT and any(b.language in RUN and not b.excuse for b in blocks(page))


@pytest.mark.parametrize("page", [*filter(_runs, pages())], ids=lambda page: page.stem)
def test_a_page_does_what_it_says(page, reader):
    run(page, reader)
