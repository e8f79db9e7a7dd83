import pytest

from categorizer import taxonomy


def test_it_holds_the_codes_of_both_versions():
    categories = taxonomy.load_taxonomy()
    assert (len(categories.primaries), len(categories.detailed)) == (18, 123)
    assert len({category.v1 for category in categories.detailed}) == 104
    v1_primaries = {
        categories.to_v1_primary(i, money_in=money_in)
        for i in range(123)
        for money_in in (True, False)
    }
    assert len(v1_primaries) == 16


def test_every_category_has_a_name_and_one_line_of_its_own():
    descriptions = [category.description for category in taxonomy.load_taxonomy().detailed]
    assert len(set(descriptions)) == 123
    assert all(text.endswith(".") and "\n" not in text for text in descriptions)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("FOOD_AND_DRINK_COFFEE", "FOOD_AND_DRINK_COFFEE"),
        (" food_and_drink_coffee ", "FOOD_AND_DRINK_COFFEE"),
        ("INCOME_WAGES", "INCOME_SALARY"),
        ("MEDICAL", "MEDICAL_OTHER_MEDICAL"),
        ("TRANSFER_IN_CASH_ADVANCES_AND_LOANS", "LOAN_DISBURSEMENTS_OTHER_DISBURSEMENT"),
        ("SPACESHIPS", "OTHER_OTHER"),
        ("", "OTHER_OTHER"),
    ],
)
def test_any_code_folds_to_a_known_one(code, expected):
    categories = taxonomy.load_taxonomy()
    assert categories.detailed[categories.fold_code(code)].code == expected


def test_a_code_without_twin_in_v1_is_flagged():
    categories = taxonomy.load_taxonomy()
    flagged = {category.code for category in categories.detailed if category.ambiguous}
    assert len(flagged) == 19
    assert {"INCOME_GIG_ECONOMY", "TRANSFER_IN_WIRE", "OTHER_OTHER"} <= flagged
    assert categories.from_v1("INCOME_WAGES") == (categories.index["INCOME_SALARY"], False)
    assert categories.from_v1("INCOME_OTHER_INCOME") == (categories.index["INCOME_OTHER"], True)


def test_direction_decides_what_other_is_in_v1():
    categories = taxonomy.load_taxonomy()
    other = categories.index["OTHER_OTHER"]
    assert categories.to_v1_primary(other, money_in=True) == "TRANSFER_IN"
    assert categories.to_v1_primary(other, money_in=False) == "TRANSFER_OUT"


def test_the_hash_is_that_of_the_content():
    assert (
        taxonomy.load_taxonomy().content_hash == taxonomy.load_taxonomy.__wrapped__().content_hash
    )
