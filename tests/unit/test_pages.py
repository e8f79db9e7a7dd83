"""What the pages for readers promise of their code blocks, and how these are compared."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.pages import ROOT, RUN, SHOWN, blocks, differences, pages

NOT_RUN = {
    "README.md": 2,
    "RUNBOOK.md": 1,
    "SECURITY.md": 2,
    "docs/tutorial.md": 2,
    "docs/how-to/operate.md": 3,
    "docs/how-to/retrain.md": 2,
}
"""How many blocks of a page are not run; each says why above itself."""


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def test_every_block_is_run_or_shows_what_was_printed_or_says_why_not():
    # Given
    excused: Counter[str] = Counter()
    for page in pages():
        before = None
        # When
        for block in blocks(page):
            excused[name(page)] += block.excuse is not None
            # Then
            follows = before is not None and before.language in RUN and before.excuse is None
            fine = block.language in RUN or (block.language in SHOWN and follows)
            assert fine or block.excuse, f"{name(page)}:{block.line}"
            before = block
    assert +excused == NOT_RUN


@pytest.mark.parametrize(
    ("shown", "real"),
    [
        ({"id": "...", "rows": 2}, {"id": "9f", "rows": 2, "more": True}),
        ([1, "..."], [1, 2, 3]),
        ({"confidence": 0.9}, {"confidence": 0.95}),
    ],
)
def test_an_abridged_example_is_like_the_answer(shown, real):
    assert list(differences(shown, real)) == []


@pytest.mark.parametrize(
    ("shown", "real", "where"),
    [
        ({"rows": 2}, {"rows": 3}, "/rows: 3"),
        ({"rows": 2}, {}, "/rows: None"),
        ({"rows": [1]}, {"rows": [1, 2]}, "/rows/1: 2"),
        ([1, 2, "..."], [1], "/1: None"),
        ({"flag": 1}, {"flag": True}, "/flag: True"),
        ({"confidence": 0.5}, {"confidence": 0.95}, "/confidence: 0.95"),
    ],
)
def test_what_differs_is_named_by_its_pointer(shown, real, where):
    assert list(differences(shown, real)) == [where]


def test_an_excuse_is_of_the_block_that_follows_it(tmp_path):
    # Given
    page = tmp_path / "page.md"
    page.write_text("<!-- not run: takes hours -->\n```sh\nsleep 9999\n```\n\n```sh\ntrue\n```\n")
    # When
    first, second = blocks(page)
    # Then
    assert (first.excuse, second.excuse) == ("takes hours", None)
    assert (first.line, second.line) == (2, 6)
