import json
import shutil
import subprocess
import sys
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from categorizer import taxonomy
from categorizer.columns import MODEL, RULE, Columns
from categorizer.errors import CorruptArtifact, IncompatibleModel
from categorizer.scorer import Scorer
from categorizer.training.export import restore_estimator
from tests.unit.categorizer.conftest import FAST_FOOD_MCC, columns

REAL = [
    "SQ *BLUE BOTTLE COFFEE 123 OAKLAND CA",
    "hotel lodging paris",
    "GROCERIES SUPERMARKET 1234",
    "salary wages payroll",
    "Café ☕ 新宿",
    "",
]


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def equal(left, right):
    arrays = ("codes", "confidences", "sources", "needs_review")
    return (
        all((getattr(left, name) == getattr(right, name)).all() for name in arrays)
        and left.merchants == right.merchants
        and left.merchant_keys == right.merchant_keys
    )


def many(rows):
    draw = np.random.default_rng(7)
    return columns(
        [f"{REAL[i % len(REAL)]} {'abcdefghij'[i % 10]}{i % 97}" for i in range(rows)],
        draw.integers(-200_000, 200_000, rows),
        draw.choice([0, 0, FAST_FOOD_MCC, 1234], rows),
        draw.choice(["USD", "GBP", ""], rows).tolist(),
    )


def test_it_answers_as_the_estimator_does(scorer, estimator):
    batch = many(5_000)
    codes, probabilities = scorer.predict(batch)
    assert (codes == estimator.predict(batch)).all()
    expected = estimator.predict_primary_proba(batch).max(axis=1)
    assert np.allclose(probabilities, expected, atol=1e-9)


@given(st.lists(st.tuples(st.text(max_size=80), st.integers(-(2**40), 2**40)), max_size=12))
def test_it_does_so_for_any_text(scorer, estimator, rows):
    batch = columns([text for text, _ in rows], [amount for _, amount in rows])
    codes, probabilities = scorer.predict(batch)
    assert np.isfinite(probabilities).all()
    if rows:
        assert (codes == estimator.predict(batch)).all()


@settings(max_examples=50)
@given(
    st.lists(
        st.tuples(
            st.text(st.characters(), max_size=300),
            st.integers(-(2**63) + 1, 2**63 - 1),
            st.integers(-(2**15), 2**15 - 1),
            st.text(max_size=5),
        ),
        max_size=8,
    )
)
def test_no_row_is_refused(scorer, rows):
    texts, amounts, mccs, currencies = zip(*rows, strict=True) if rows else ([], [], [], [])
    verdicts = scorer.categorize(columns(list(texts), amounts, mccs, list(currencies)))
    assert len(verdicts) == len(verdicts.merchants) == len(verdicts.merchant_keys) == len(rows)
    assert np.isfinite(verdicts.confidences).all()
    assert ((verdicts.codes >= 0) & (verdicts.codes < 123)).all()


def test_a_restored_estimator_answers_as_the_one_that_was_exported(scorer, estimator):
    batch = many(500)
    restored = restore_estimator(scorer.weights)
    assert (restored.predict(batch) == estimator.predict(batch)).all()
    proba = estimator.predict_primary_proba(batch)
    assert np.allclose(restored.predict_primary_proba(batch), proba)


@pytest.mark.parametrize("rows", [0, 1, 2, 999, 40_000])
def test_the_size_of_a_batch_changes_no_answer(scorer, rows):
    batch = many(max(rows, 50))
    part = Columns(
        batch.descriptions[:rows], batch.amounts[:rows], batch.mccs[:rows], batch.currencies[:rows]
    )
    verdicts = scorer.categorize(part)
    assert len(verdicts) == rows
    for row in range(0, rows, max(rows // 7, 1)):
        one = Columns(
            [batch.descriptions[row]],
            batch.amounts[[row]],
            batch.mccs[[row]],
            [batch.currencies[row]],
        )
        alone = scorer.categorize(one)
        assert (alone.codes[0], alone.merchants[0]) == (
            verdicts.codes[row],
            verdicts.merchants[row],
        )
        assert alone.confidences[0] == verdicts.confidences[row]


def test_threads_share_a_scorer(scorer):
    batches = [many(rows) for rows in (3_000, 3_001, 500, 77)]
    expected = [scorer.categorize(batch) for batch in batches]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            answers = pool.map(scorer.categorize, batches)
            assert all(equal(a, b) for a, b in zip(answers, expected, strict=True))


def test_a_rule_beats_the_model(scorer):
    # Given a row whose merchant category code settles its category, and one without a code
    batch = columns(["TESCO", "LIDL"], mccs=[FAST_FOOD_MCC, 0])
    # When both are categorized
    verdicts = scorer.categorize(batch)
    # Then the rule decides about the first
    assert verdicts.sources.tolist() == [RULE, MODEL]
    assert taxonomy.load_taxonomy().detailed[verdicts.codes[0]].code == "FOOD_AND_DRINK_FAST_FOOD"
    assert not verdicts.needs_review[0]


def test_confidence_is_calibrated_and_decides_about_review(scorer):
    batch = many(300)
    batch.mccs[:] = 0
    _, probabilities = scorer.predict(batch)
    verdicts = scorer.categorize(batch)
    assert np.allclose(verdicts.confidences, probabilities / 2, atol=1e-6)
    assert (verdicts.needs_review == (verdicts.confidences < 0.5)).all()


def test_an_explanation_names_what_decided(scorer):
    batch = columns(["SQ *GROCERIES SUPERMARKET 123", "x"], mccs=[0, FAST_FOOD_MCC])
    explanation = scorer.explain(batch)
    assert (explanation.source, explanation.processor, explanation.merchant) == (
        "model",
        "square",
        "Groceries Supermarket",
    )
    assert explanation.alternatives[0].primary == explanation.primary == "FOOD_AND_DRINK"
    assert any("groceries" in reason.feature for reason in explanation.reasons)
    verdict = scorer.categorize(batch)
    assert explanation.confidence == pytest.approx(verdict.confidences[0])
    assert explanation.alternatives[0].probability / 2 == pytest.approx(
        explanation.confidence, abs=1e-3
    )
    assert scorer.explain(batch, 1).source == "rule"


@pytest.mark.slow
def test_memory_is_bounded_by_the_batch(scorer):
    batch = many(60_000)
    scorer.categorize(batch)
    tracemalloc.start()
    scorer.categorize(batch)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 60_000 * 600


def test_a_long_row_costs_no_more_than_a_bound(scorer):
    verdicts = scorer.categorize(columns(["coffee " * 100_000, "é" * 500_000]))
    assert all(len(name) <= 400 for name in verdicts.merchants)


@pytest.mark.parametrize("name", ["rows.npy", "detail_index.npy", "mcc_codes.npy", "manifest.json"])
def test_a_damaged_file_is_refused(copy, name):
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 0xFF
    (copy / name).write_bytes(content)
    with pytest.raises(CorruptArtifact):
        Scorer.load(copy)


@pytest.mark.parametrize("name", ["rows.npy", "intercepts.npy", "manifest.json"])
def test_a_missing_file_is_refused(copy, name):
    (copy / name).unlink()
    with pytest.raises(CorruptArtifact):
        Scorer.load(copy)


@pytest.mark.parametrize(
    ("field", "value"),
    [("calibration", {"confidence": [0], "calibrated": [1]}), ("threshold", "high"), ("files", {})],
)
def test_a_senseless_manifest_is_refused(copy, field, value):
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps(manifest | {field: value}))
    with pytest.raises(CorruptArtifact):
        Scorer.load(copy)


@pytest.mark.parametrize("field", ["taxonomy", "features"])
def test_a_model_of_another_kind_is_refused(copy, field):
    manifest = json.loads((copy / "manifest.json").read_text())
    other = {"version": 99, "hash": "0", "wordings": "0"}
    (copy / "manifest.json").write_text(json.dumps(manifest | {field: other}))
    with pytest.raises(IncompatibleModel):
        Scorer.load(copy)


@pytest.mark.slow
def test_serving_needs_no_scikit_learn():
    code = "import sys, categorizer.scorer; sys.exit('sklearn' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
