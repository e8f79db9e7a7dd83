"""The tables of the corpus are whole, and the rows made from them are the same every time."""

from __future__ import annotations

import random
from itertools import islice

import pytest

from categorizer import taxonomy
from models.corpus import lexicon, rows, tables
from models.corpus.wordings import SLOT, Wordings
from models.train import build_rules

pytestmark = pytest.mark.slow


def test_every_merchant_category_code_has_a_known_category() -> None:
    categories = taxonomy.load_taxonomy().index
    judged = list(tables.read_rows("mcc.tsv"))
    assert len({row["mcc"] for row in judged}) == 981
    assert {row["category"] for row in judged} <= categories.keys()
    assert {row["decides"] for row in judged} == {"rule", "hint"}


def test_only_codes_that_settle_a_category_become_rules() -> None:
    rules = build_rules()
    categories = taxonomy.load_taxonomy()
    assert categories.detailed[rules.mcc_codes[5411]].code == "FOOD_AND_DRINK_GROCERIES"
    assert rules.mcc_codes[0] == -1
    assert ((rules.mcc_confidences > 0) == (rules.mcc_codes >= 0)).all()


def test_tags_and_weak_labels_name_known_categories() -> None:
    categories = taxonomy.load_taxonomy().index
    for table in ("tags.tsv", "purchase_cards.tsv", "amounts.tsv"):
        assert {row["category"] for row in tables.read_rows(table)} <= categories.keys()


def test_the_lexicon_is_large_and_names_known_categories() -> None:
    entries = lexicon.read_entries()
    assert len(entries) > 20_000
    assert {entry.category for entry in entries} <= taxonomy.load_taxonomy().index.keys()
    assert {entry.kind for entry in entries} == {"word", "merchant", "biller", "bank"}
    assert {entry.direction for entry in entries} == {"out", "in", "any"}


def test_wordings_have_no_slot_that_stays_open() -> None:
    wordings = Wordings(random.Random(1))
    for row in tables.read_rows("wordings.tsv"):
        region = "us" if row["region"] == "any" else row["region"]
        line = wordings.fill_pattern(row["pattern"], region, {"m": "acme", "company": "acme"})
        assert not SLOT.search(line)


def test_the_same_seed_gives_the_same_rows() -> None:
    first, second = (
        list(
            islice(
                rows.CorpusGenerator(random.Random(5), lexicon.read_entries()[:50]).draw_lines(),
                500,
            )
        )
        for _ in range(2)
    )
    assert first == second


def test_all_forms_of_a_withheld_name_go_together() -> None:
    entries = lexicon.read_entries()
    kept = rows.withhold_names(entries, random.Random(2), 0.5)
    named = ("merchant", "biller")
    words = {entry.text.split()[0] for entry in kept if entry.kind in named}
    gone = {entry.text.split()[0] for entry in {*entries} - {*kept}}
    assert not words & gone
    assert 0.3 < 1 - len(kept) / len(entries) < 0.7
