import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from categorizer.normalize import normalize_descriptions

TABLE = [
    # description, merchant, key, processor
    ("SQ *BLUE BOTTLE 123 OAKLAND CA", "Blue Bottle", "bluebottle", "square"),
    ("TST* Joe's Pizza - 5th Ave New York NY", "Joes Pizza 5th Ave", "joespizza5thave", "toast"),
    ("PAYPAL *SPOTIFY 402-935-7733 CA", "Spotify", "spotify", "paypal"),
    ("Apple Pay: Starbucks", "Starbucks", "starbucks", "apple_pay"),
    ("POS DEBIT 7-ELEVEN 33221 DALLAS TX", "7 Eleven", "7eleven", ""),
    ("7-Eleven", "7 Eleven", "7eleven", ""),
    ("24 HOUR FITNESS #123", "24 Hour Fitness", "24hourfitness", ""),
    ("CHECKCARD 0312 STARBUCKS STORE 01234 SEATTLE WA", "Starbucks", "starbucks", ""),
    ("STARBUCKS STORE 01234    POUGHKEEPSIE  NY", "Starbucks", "starbucks", ""),
    (
        "PURCHASE AUTHORIZED ON 03/12 TRADER JOE'S #552 PORTLAND OR S30308",
        "Trader Joes",
        "traderjoes",
        "",
    ),
    ("WAL-MART #1234 SEATTLE WA", "Wal Mart", "walmart", ""),
    ("WALMART1234", "Walmart", "walmart", ""),
    ("AMZN MKTP US*2K3XJ1AB2", "Amzn Mktp", "amznmktp", ""),
    ("DD *DOORDASH CHIPOTLE", "Doordash Chipotle", "doordashchipotle", "doordash"),
    ("UBER   *TRIP HELP.UBER.COM CA", "Uber Trip", "ubertrip", ""),
    ("NETFLIX.COM", "Netflix", "netflix", ""),
    ("www.plantersgc.com", "Plantersgc", "plantersgc", ""),
    ("CARD PAYMENT TO TESCO STORES 3272 ON 12 MAR", "Tesco", "tesco", ""),
    (
        "DIRECT DEBIT PAYMENT TO BRITISH GAS REF 1234567, MANDATE NO 0001",
        "British Gas",
        "britishgas",
        "",
    ),
    ("GUSTO DES:PAYROLL ID:6semjk INDN:JOHN SMITH CO ID:9138864001 PPD", "Gusto", "gusto", ""),
    (
        "ORIG CO NAME:COMCAST CABLE ORIG ID:0000213249 DESC DATE:230101 CO ENTRY DESCR:CABLE SEC:PPD TRACE#:021000021 IND ID:123 IND NAME:JOHN SMITH",
        "Comcast Cable",
        "comcastcable",
        "",
    ),
    ("MARKS & SPENCER", "Marks Spencer", "marksspencer", ""),
    ("Marks and Spencer plc", "Marks And Spencer", "marksspencer", ""),
    ("THE HOME DEPOT #0612", "The Home Depot", "homedepot", ""),
    ("H&M 0123", "H&M", "hm", ""),
    ("KFC", "KFC", "kfc", ""),
    ("CARD FACTORY", "Card Factory", "cardfactory", ""),
    ("CITY OF CHICAGO", "City Of Chicago", "cityofchicago", ""),
    ("Café Nero London GB", "Cafe Nero", "cafenero", ""),
    (
        "\uff26\uff35\uff2c\uff2c\u3000\uff2d\uff2f\uff2f\uff2e ☕ naïve",
        "Full Moon Naive",
        "fullmoonnaive",
        "",
    ),
    ("スターバックス 新宿", "スターバックス 新宿", "スターバックス新宿", ""),
    ("XXXXXXXX1234", "", "", ""),
    ("12345", "", "", ""),
    ("", "", "", ""),
]


@pytest.mark.parametrize(("description", "merchant", "key", "processor"), TABLE)
def test_a_description_gives_merchant_key_and_processor(description, merchant, key, processor):
    named = normalize_descriptions([description])
    assert (named.merchants, named.keys, named.processors) == ([merchant], [key], [processor])


def test_a_batch_is_named_row_by_row():
    named = normalize_descriptions([row[0] for row in TABLE])
    assert named.merchants == [row[1] for row in TABLE]
    assert named.keys == [row[2] for row in TABLE]
    assert named.processors == [row[3] for row in TABLE]


def test_spellings_of_one_merchant_share_a_key_and_others_do_not():
    spellings = ["TRADER JOE'S #552 QPS", "Trader Joes", "POS DEBIT TRADER JOE S", "TRADERJOES"]
    same = normalize_descriptions([spellings[1], spellings[3], "CHECKCARD TRADER JOE'S 0001"])
    assert len(set(same.keys)) == 1
    others = normalize_descriptions(["TRADER VICS", "JOES TRADING", "TRADER JOES WINE SHOP"])
    assert same.keys[0] not in others.keys


def test_no_row_leaks_into_another():
    alone = [normalize_descriptions([text]).merchants[0] for text in ("a\nb", "STARBUCKS", "\n")]
    assert (
        normalize_descriptions(["a\nb", "STARBUCKS", "\n"]).merchants
        == alone
        == ["A B", "Starbucks", ""]
    )


@given(st.lists(st.text(max_size=400), max_size=20))
def test_any_text_is_named(descriptions):
    named = normalize_descriptions(descriptions)
    assert len(named.merchants) == len(named.keys) == len(named.processors) == len(descriptions)
    assert not any(set(" \n") & set(key) for key in named.keys)
    assert all(len(name) <= 500 for name in named.merchants)
    assert all(bool(m) >= bool(k) for m, k in zip(named.merchants, named.keys, strict=True))


@given(st.lists(st.text(st.characters(), max_size=60), min_size=1, max_size=8))
def test_a_row_is_named_as_it_would_be_alone(descriptions):
    together = normalize_descriptions(descriptions).keys
    assert together == [normalize_descriptions([text]).keys[0] for text in descriptions]


@pytest.mark.parametrize(
    "text", ["a " * 500_000, "1" * 1_000_000, "é" * 1_000_000, "*:/-" * 250_000]
)
def test_the_time_of_a_row_is_bounded(text):
    began = time.process_time()
    normalize_descriptions([text])
    assert time.process_time() - began < 1.0
