"""What the pages for readers promise of their code blocks, and how these are compared."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.support.pages import (
    ROOT,
    RUN,
    SHOWN,
    find_differences,
    list_pages,
    read_blocks,
    run_page,
)

NOT_RUN = {
    "README.md": 1,
    "RUNBOOK.md": 1,
    "SECURITY.md": 2,
    "CONTRIBUTING.md": 2,
    "docs/tutorial.md": 2,
    "docs/how-to/operate.md": 3,
    "docs/how-to/retrain.md": 2,
}
"""How many blocks of a page are not run; each says why above itself."""


def _name_page(page: Path) -> str:
    return str(page.relative_to(ROOT))


def test_every_block_is_run_or_shows_what_was_printed_or_says_why_not():
    # Given
    excused: Counter[str] = Counter()
    for page in list_pages():
        before = None
        # When
        for block in read_blocks(page):
            excused[_name_page(page)] += block.excuse is not None
            # Then
            follows = before is not None and before.language in RUN and before.excuse is None
            fine = block.language in RUN or (block.language in SHOWN and follows)
            assert fine or block.excuse, f"{_name_page(page)}:{block.line}"
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
    assert list(find_differences(shown, real)) == []


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
    assert list(find_differences(shown, real)) == [where]


def test_an_excuse_is_of_the_block_that_follows_it(tmp_path):
    # Given
    page = tmp_path / "page.md"
    page.write_text("<!-- not run: takes hours -->\n```sh\nsleep 9999\n```\n\n```sh\ntrue\n```\n")
    # When
    first, second = read_blocks(page)
    # Then
    assert (first.excuse, second.excuse) == ("takes hours", None)
    assert (first.line, second.line) == (2, 6)


def write_page(folder: Path, *fences: str) -> Path:
    page = folder / "page.md"
    page.write_text("\n".join(f"```{fence}\n```\n" for fence in fences))
    return page


def test_blocks_run_in_order_and_python_has_the_variables_of_the_shell(tmp_path):
    # Given
    page = write_page(
        tmp_path,
        "sh\nNAME=$GREETING-ann",
        "python\nimport os\nprint(os.environ['NAME'])",
        "text\n...-ann",
        "sh\necho '{\"rows\": 2}'",
        'json\n{"rows": 2}',
    )
    # When
    outputs = run_page(page, {"GREETING": "hello"})
    # Then
    assert [output.strip() for output in outputs] == ["", "hello-ann", '{"rows": 2}']


@pytest.mark.parametrize(
    ("fences", "words"),
    [
        (["sh\ntrue", "sh\nfalse", "sh\ntrue"], "page.md:5"),
        (["sh\ntrue", "python\nraise ValueError('odd')"], "page.md:5[^$]*odd"),
        (["sh\necho one", "text\ntwo"], "page.md:5[^$]*one"),
        (["sh\necho 1", "json\n2"], "page.md:5: .*: 1"),
        (["sh\necho $UNSET_VARIABLE"], "page.md:1"),
    ],
)
def test_a_block_that_fails_or_prints_something_else_is_named_by_its_line(tmp_path, fences, words):
    # Given
    page = write_page(tmp_path, *fences)
    # When, then
    with pytest.raises(AssertionError, match=words):
        run_page(page, {})
