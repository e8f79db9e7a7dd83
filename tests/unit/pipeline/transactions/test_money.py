"""Money, exactly."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.transactions.money import CURRENCIES, MAX_AMOUNT, format_amount, parse_amount


@pytest.mark.parametrize(
    ("text", "currency", "amount"),
    [("-4.50", "USD", -450), ("4", "USD", 400), ("0.5", "GBP", 50), ("-0", "USD", 0),
     ("150", "JPY", 150), ("1.234", "BHD", 1234), ("-0.01", "EUR", -1)],
)  # fmt: skip
def test_a_decimal_is_minor_units(text, currency, amount):
    assert parse_amount(text, currency) == amount


@pytest.mark.parametrize(
    ("text", "currency"),
    [("NaN", "USD"), ("Infinity", "USD"), ("1e3", "USD"), ("1,000.00", "USD"), ("1.505", "USD"),
     ("1.50", "JPY"), ("", "USD"), ("-", "USD"), (".5", "USD"), ("5.", "USD"), ("+1", "USD"),
     ("1234567890123456", "USD"), ("99999999999999.00", "USD"), ("٣", "USD"), ("1 ", "USD"),
     ("007", "USD")],
)  # fmt: skip
def test_anything_else_is_refused(text, currency):
    with pytest.raises(ValueError, match=r"."):
        parse_amount(text, currency)


@given(st.integers(-MAX_AMOUNT + 1, MAX_AMOUNT - 1), st.sampled_from(sorted(CURRENCIES)))
def test_what_is_read_out_is_what_was_pushed_in(amount, currency):
    text = format_amount(amount, currency)
    if len(text.split(".")[0].lstrip("-")) <= 15:
        assert parse_amount(text, currency) == amount
