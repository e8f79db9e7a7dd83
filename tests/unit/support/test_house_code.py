"""The shape and the words of small checkouts."""

from __future__ import annotations

import pytest

from tests.support.house import column, names, prose, shape
from tests.unit.support.conftest import WriteTree


def test_the_fullest_folder_is_counted_without_its_init(write_tree: WriteTree) -> None:
    # Given two folders, one of them below the other
    source = write_tree(
        {"api/__init__.py": "", "api/a.py": "", "api/http/__init__.py": "", "api/http/b.py": "",
         "api/http/c.py": ""}
    )  # fmt: skip
    # When the modules are counted, then the fullest comes first
    assert shape.count_modules_per_folder(source) == (2, ["api/http: 2", "api: 1"])


def test_kernels_may_be_long_and_no_other_file(write_tree: WriteTree) -> None:
    source = write_tree(
        {"categorizer/kernels/words.py": "x = 1\n" * 9, "pipeline/store/interleave.py": "x = 1\n" * 8,
         "pipeline/store/writer.py": "x = 1\n" * 2}
    )  # fmt: skip
    assert shape.count_lines_per_file(source) == (2, ["pipeline/store/writer.py: 2"])


def test_a_body_counts_from_the_first_statement_after_the_docstring(write_tree: WriteTree) -> None:
    # Given functions with bodies of 3, 1 and 0 lines, one of them nested
    source = write_tree({"api/a.py": '''
        def outer():
            """One line.

            And more.
            """
            def inner(
                argument,
            ): return 1

        async def empty():
            """Says all."""
        '''})  # fmt: skip
    # Then each is counted, and the middle one is the median
    assert shape.count_functions(source).value == 3
    assert shape.measure_median_body(source).value == 1


def test_a_body_of_51_lines_is_long_and_named(write_tree: WriteTree) -> None:
    bodies = "".join(f"def f{n}():\n" + "    x = 1\n" * n for n in (50, 51))
    assert shape.measure_long_bodies(write_tree({"api/a.py": bodies})) == (
        50,
        ["api/a.py:52 f51: 51"],
    )


def test_a_class_name_defined_twice_is_listed_with_its_places(write_tree: WriteTree) -> None:
    source = write_tree({"api/a.py": "class A: ...\nclass B: ...", "models/b.py": "class A: ..."})
    assert shape.count_repeated_classes(source) == (1, ["A: models/b.py:1, api/a.py:1"])


def test_words_of_function_names_are_split_at_underscores(write_tree: WriteTree) -> None:
    source = write_tree({"api/a.py": "def store_chunk(): ...\ndef close(): ...\ndef _go(): ..."})
    assert names.measure_words_per_public_function(source).value == 1.5
    assert names.measure_words_per_function(source).value == 1.33


@pytest.mark.parametrize(
    "code",
    [
        "found = 1",
        "_found: int = 1",
        "def f(found): ...",
        "def f(*, found=1): ...",
        "f = lambda found: 1",
        "self.found = 1",
        "import x as found",
        "for found in []: ...",
        "x = [1 for found in []]",
        "x = (found := 1)",
        "with x as found: ...",
        "try: ...\nexcept E as found: ...",
        "match x:\n    case [found]: ...",
    ],
)
def test_a_vague_variable_counts_wherever_it_is_bound(write_tree: WriteTree, code: str) -> None:
    assert names.count_vague_variables(write_tree({"api/a.py": code})) == (
        1,
        ["api/a.py: 1 (1 found)"],
    )


def test_a_use_or_a_longer_name_is_no_vague_variable(write_tree: WriteTree) -> None:
    code = "x = found\nfound_rows = x.known\ndef given(): ..."
    assert names.count_vague_variables(write_tree({"api/a.py": code})).value == 0


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("bury_chunk", ["bury"]),
        ("Grave", ["grave"]),
        ("HTTPLetters", ["letters"]),
        ("dead_letter DeadLetters dead-letter", []),
        ("engraved buryable lettered", []),
        ("A dead letter is a letter.", ["letter"]),
    ],
)
def test_a_metaphor_is_a_whole_word_and_a_dead_letter_is_none(text: str, words: list[str]) -> None:
    assert names.find_metaphors(text) == words


def test_metaphors_are_looked_for_in_names_and_docstrings(write_tree: WriteTree) -> None:
    # Given a module, a function, an argument and a docstring with a banned word
    source = write_tree(
        {"workers/burial.py": '"""Buried."""\ndef bury(grave):\n    x = "bury"  # bury',
         "categorizer/words.py": "letters = 1"}
    )  # fmt: skip
    # Then each counts once, and neither strings nor the letters of words do
    places = names.count_metaphors(source).places
    assert sorted(place.split()[1] for place in places) == ["burial", "buried", "bury", "grave"]


def test_what_is_public_should_have_a_docstring(write_tree: WriteTree) -> None:
    # Given a module and a method with a docstring, a class and a function without
    source = write_tree({"api/__init__.py": "", "api/a.py": '''
        """Documented."""
        class A:
            def method(self):
                """Documented."""
            def _private(self): ...
        def bare():
            def nested(): ...
        class _Private:
            def method(self): ...
        '''})  # fmt: skip
    # Then half of it is documented
    assert prose.measure_documented(source) == (50, ["api/a.py:3 A", "api/a.py:7 bare"])


def test_sentences_end_at_stops_paragraphs_and_list_items() -> None:
    text = (
        "It reads `x.y`, e.g. 1.5 of it\nand more. Then it\n(all.) ends!\n\nA list:\n\n"
        "- one\n  and on\n- two\n\n    drawn = indented\n\nkey      in columns\n"
    )
    assert prose.split_sentences(text) == [
        "It reads `x.y`, e.g. 1.5 of it and more.",
        "Then it (all.) ends!",
        "A list:",
        "- one and on",
        "- two",
    ]


def test_a_sentence_of_26_words_is_long(write_tree: WriteTree) -> None:
    docstrings = "".join(f'def f{n}():\n    """{"word " * n}- end."""\n' for n in (24, 25))
    long = prose.count_long_sentences(write_tree({"api/a.py": docstrings}))
    assert long.value == 1
    assert long.places[0].startswith("api/a.py:4 26 words: word")


def test_a_docstring_should_not_begin_with_the_same(write_tree: WriteTree) -> None:
    source = write_tree({"api/a.py": '"""The same as b."""', "api/b.py": '"""The sameness."""'})
    assert prose.count_same_openings(source) == (1, ["api/a.py:1"])


def test_a_column_counts_once_in_each_innermost_statement(write_tree: WriteTree) -> None:
    # Given a field, a call with a keyword, a table, a function with two statements, and others
    source = write_tree({"api/a.py": '''
        class A:
            authorized_date: int
        row = Row(authorized=fields["authorized_date"])
        COLUMNS = {
            "authorized_on": 1,
        }
        def f(row):
            """authorized"""
            if row.authorized:
                return "not authorized"
        ''', "models/b.py": "authorized = 1"})  # fmt: skip
    # Then neither words inside of texts nor other folders count
    places = column.count_column_places(source).places
    assert sorted(places) == ["api/a.py:10", "api/a.py:3", "api/a.py:4", "api/a.py:5"]
