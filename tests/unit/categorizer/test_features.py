import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from categorizer.explanation import derive_features
from categorizer.kernels import hashing, passes, words
from categorizer.training.features import DescriptorFeatures
from tests.unit.categorizer.conftest import columns

ROWS = columns(
    [
        "SQ *BLUE BOTTLE COFFEE 123 OAKLAND CA",
        "GUSTO DES:PAYROLL ID:6semjk INDN:JOHN SMITH CO ID:9138864001 PPD",
        "Café Zürich 新宿 AMZN.COM/BILL",
        "",
        "7-ELEVEN 1234 " * 30,
    ],
    amounts=[-450, 250_000, 0, 5, -100_000],
    mccs=[5814, 0, 0, 1, 0],
    currencies=["USD", "", "GBP", "EUR", "USD"],
)


def keys_and_values(batch):
    """What the compiled pass emits, row by row."""
    features = DescriptorFeatures(min_rows=1).fit(batch)
    return features.vocabulary_, features.transform(batch)


def expected_row(batch, row):
    """The same from the features that are derived in plain Python."""
    named = derive_features(batch, row)
    norm = max(sum(f.value**2 for f in named if f.of_text), 1.0) ** 0.5
    total = {}
    for feature in named:
        value = feature.value / norm if feature.of_text else feature.value
        total[feature.key] = total.get(feature.key, 0.0) + value
    return total


def assert_as_derived(batch):
    vocabulary, matrix = keys_and_values(batch)
    for row in range(len(batch)):
        cells = matrix[row]
        emitted = dict(zip(vocabulary[cells.indices].tolist(), cells.data.tolist(), strict=True))
        expected = expected_row(batch, row)
        assert emitted.keys() == expected.keys()
        assert all(abs(emitted[key] - expected[key]) < 1e-9 for key in emitted)


def test_compiled_features_are_those_derived_in_plain_python():
    assert_as_derived(ROWS)


@settings(max_examples=40)
@given(
    st.lists(
        st.tuples(st.text(max_size=60), st.integers(-(10**9), 10**9), st.integers(0, 9999)),
        min_size=1,
        max_size=5,
    )
)
def test_they_are_for_any_text(rows):
    descriptions, amounts, mccs = zip(*rows, strict=True)
    assert_as_derived(columns(list(descriptions), list(amounts), list(mccs)))


@given(st.integers(-(2**63), 2**63 - 1), st.integers(-(2**63), 2**63 - 1))
def test_hashes_are_the_same_compiled_and_plain(state, value):
    assert words.mix_hash(state, value) == hashing.mix_hash(state, value)
    assert passes.hash_feature(state) == hashing.hash_feature(state)


def test_the_lengths_of_prefixes_are_said_once(monkeypatch):
    # Given a name of one word and five letters
    monkeypatch.setattr(passes, "PREFIXES", (1, 3, 5))
    table = np.zeros((1, words.WORD_COLUMNS), np.int64)
    table[0, words.END] = 5
    keys, values = np.zeros(passes.MAX_FEATURES, np.int64), np.zeros(passes.MAX_FEATURES, np.int8)
    # When
    count = passes.emit_name.function(range(5), table, 1, 0, keys, values)
    # Then it has the features of its first and last word, and one a length
    assert count == 2 + 3


def test_features_of_too_few_rows_get_no_column():
    batch = columns(["starbucks", "starbucks", "tesco"], currencies=[""] * 3)
    features = DescriptorFeatures(min_rows=2).fit(batch)
    only_starbucks = DescriptorFeatures(min_rows=1).fit(columns(["starbucks"], currencies=[""]))
    assert set(features.vocabulary_) >= set(only_starbucks.vocabulary_)
    assert (
        features.transform(columns(["starbucks"])).nnz > features.transform(columns(["aldi"])).nnz
    )


def test_rows_of_text_have_unit_length():
    batch = columns(["sainsburys local", "tesco"], amounts=[0, 0], currencies=["", ""])
    _, matrix = keys_and_values(batch)
    lengths = np.sqrt(matrix.multiply(matrix).sum(axis=1))
    assert np.allclose(lengths, 1.0, atol=0.05)
