"""The records of decisions are complete, in order, and plain to read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "docs" / "decisions"
RECORDS = sorted(FOLDER.glob("[0-9]*.md"))
SECTIONS = ["Context", "Choice", "Rejected", "Figures"]
MOST_WORDS = 25

_TITLE = re.compile(r"# (\d+)\. (.+)\n\n(\d{4}-\d\d-\d\d)\n")
_LINK = re.compile(r"\[([^]]+)\]\([^)]+\)")


def _named(record: Path) -> str:
    return record.stem


def _sentences(text: str) -> list[str]:
    """The sentences of running text and lists, without headings and tables."""
    plain = _LINK.sub(r"\1", text)
    blocks = re.split(r"\n\n|\n- |^- ", plain, flags=re.MULTILINE)
    prose = [block for block in blocks if not block.startswith(("#", "|"))]
    return [part for block in prose for part in re.split(r"(?<=[.:?])\s+", block)]


def test_numbers_have_no_gap() -> None:
    # Given the records in the order of their file names
    numbers = [int(record.stem[:4]) for record in RECORDS]
    # Then they count from one
    assert numbers == list(range(1, len(RECORDS) + 1))


@pytest.mark.parametrize("record", RECORDS, ids=_named)
def test_a_record_has_its_number_its_date_and_the_sections_in_order(record: Path) -> None:
    # Given a record
    text = record.read_text(encoding="utf-8")
    # When its heading and sections are read
    heading = _TITLE.match(text)
    sections = re.findall(r"^## (.+)$", text, re.MULTILINE)
    # Then the number is that of the file, and no section is foreign or out of place
    assert heading is not None
    assert int(heading[1]) == int(record.stem[:4])
    assert sections[:2] == SECTIONS[:2]
    assert sections == [name for name in SECTIONS if name in sections]


@pytest.mark.parametrize("record", RECORDS, ids=_named)
def test_the_index_has_the_title_and_the_date_of_a_record(record: Path) -> None:
    # Given a record and the index
    heading = _TITLE.match(record.read_text(encoding="utf-8"))
    index = (FOLDER / "index.md").read_text(encoding="utf-8")
    # Then the index has a row for it, and an entry in the navigation
    assert heading is not None
    number, title, date = heading.groups()
    assert f"\n| {number} | [{title}]({record.name}) | {date} | " in index
    assert f"\n{record.stem}\n" in index


@pytest.mark.parametrize("record", RECORDS, ids=_named)
def test_sentences_are_short(record: Path) -> None:
    # Given the sentences of a record
    sentences = _sentences(record.read_text(encoding="utf-8"))
    # Then each can be read at once
    assert [text for text in sentences if len(text.split()) > MOST_WORDS] == []
