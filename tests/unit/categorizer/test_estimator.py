import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import check_estimator

from categorizer import taxonomy
from categorizer.training.estimator import Categorizer, TwoLevelClassifier, round_weights
from categorizer.training.features import DescriptorFeatures
from categorizer.weights import compute_exponents
from tests.unit.categorizer.conftest import columns

SKIPPED = {
    "check_sample_weights_pandas_series": "needs pandas",
    "check_classifier_data_not_an_array": "needs pandas",
    "check_array_api_input": "needs SCIPY_ARRAY_API",
}


def results(estimator):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return check_estimator(estimator, on_fail=None, on_skip=None)


@pytest.mark.slow
def test_the_classifier_passes_all_checks_of_scikit_learn():
    checks = results(TwoLevelClassifier())
    assert {r["check_name"] for r in checks if r["status"] == "failed"} == set()
    assert {r["check_name"] for r in checks if r["status"] == "skipped"} <= set(SKIPPED)
    assert len(checks) > 40


@pytest.mark.parametrize("estimator", [DescriptorFeatures(), Categorizer()])
def test_estimators_of_columns_pass_the_checks_that_need_no_matrix(estimator):
    # All other checks of scikit-learn build matrices, which these do not take.
    assert all(r["status"] == "passed" for r in results(estimator))
    assert repr(clone(estimator)) == repr(estimator)


def test_an_unfitted_estimator_says_so():
    with pytest.raises(NotFittedError):
        DescriptorFeatures().transform(columns(["x"]))


def test_it_learns_its_examples(estimator, examples):
    batch, codes = examples
    assert (estimator.predict(batch) == codes).mean() > 0.95


def test_probabilities_add_up(estimator, examples):
    batch, _ = examples
    detailed, primaries = estimator.predict_proba(batch), estimator.predict_primary_proba(batch)
    assert np.allclose(detailed.sum(axis=1), 1.0)
    of_class = taxonomy.load_taxonomy().primary_of[estimator.classes_]
    for primary in range(18):
        assert np.allclose(detailed[:, of_class == primary].sum(axis=1), primaries[:, primary])


def test_the_direction_of_the_money_counts(estimator):
    both = columns(["transfer", "transfer"], amounts=[50_000, -50_000])
    incoming, outgoing = estimator.predict(both)
    primaries = [taxonomy.load_taxonomy().detailed[code].primary for code in (incoming, outgoing)]
    assert primaries[0] in {"TRANSFER_IN", "INCOME", "LOAN_DISBURSEMENTS"}
    assert primaries[1] not in {"TRANSFER_IN", "INCOME", "LOAN_DISBURSEMENTS"}


def test_rounded_weights_are_bytes_times_powers_of_two():
    coef = np.random.default_rng(7).normal(scale=[[0.5, 1.0, 30.0]], size=(18, 3))
    rounded = round_weights(coef)
    bytes_ = rounded / (2.0**-10 * 2.0 ** compute_exponents(rounded))
    assert (bytes_ == np.round(bytes_)).all()
    assert np.abs(bytes_).max() <= 127
    assert np.allclose(rounded, coef, atol=np.abs(coef).max(axis=0) / 100 + 2.0**-11)
    assert (round_weights(rounded) == rounded).all()
