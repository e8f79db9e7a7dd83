"""The trained form of the model is a linear classifier of two levels for scikit-learn.

The first level separates the groups (primary categories), the second the classes (detailed
codes) of each group. After fitting, weights are rounded to what the serving form keeps: one byte
times a power of two per feature. So both forms add up equal numbers.
"""

from typing import Any, Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.special import softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from categorizer import taxonomy
from categorizer.columns import Columns
from categorizer.training.features import DescriptorFeatures
from categorizer.weights import UNIT, compute_exponents

Floats = NDArray[np.float64]

_NEGLIGIBLE: Final = 2.0**-2


class TwoLevelClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """The classifier is a softmax over groups, then one over the classes of each group.

    Parameters
    ----------
    groups : array of shape (>= max(y) + 1,) or None
        The group of every class, where classes are integers. None makes each class its own group.
    detail_columns : boolean array of shape (n_features,) or None
        These features separate classes of one group; None means all.
    C, detail_C : float
        These are the inverse strengths of the L2 penalty of the two levels.
    max_iter, tol : as of LogisticRegression.

    Attributes
    ----------
    classes_, groups_ : ndarrays
        These are the labels and groups that occur in training, ascending.
    coef_, detail_coef_ : ndarrays of shape (n_groups, n_features), (n_classes, n_features)
    intercept_, detail_intercept_ : ndarrays of shape (n_groups,), (n_classes,)
    n_iter_ : int
        This is the largest number of iterations that a fit took.

    """

    def __init__(
        self,
        *,
        groups: ArrayLike | None = None,
        detail_columns: ArrayLike | None = None,
        C: float = 1.0,  # noqa: N803
        detail_C: float = 1.0,  # noqa: N803
        max_iter: int = 200,
        tol: float = 1e-4,
    ) -> None:
        self.groups = groups
        self.detail_columns = detail_columns
        self.C = C
        self.detail_C = detail_C
        self.max_iter = max_iter
        self.tol = tol

    def fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:  # noqa: N803
        """Fit both levels; X has shape (n, n_features), dense or sparse."""
        floats = (np.float64, np.float32)
        X, y = validate_data(self, X, y, accept_sparse="csr", dtype=floats)  # noqa: N806
        check_classification_targets(y)
        weight = _check_sample_weight(sample_weight, X)
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError("The number of classes has to be greater than one; got 1 class")
        self.n_iter_ = 1
        of_class = self._map_groups()
        self.groups_, self.group_of_class_ = np.unique(of_class, return_inverse=True)
        self.coef_, self.intercept_ = self._fit_level(
            X, self.group_of_class_[labels], weight, self.C
        )
        self._fit_details(X, labels, weight)
        return self

    def _map_groups(self) -> NDArray[Any]:
        if self.groups is None:
            return np.arange(len(self.classes_))
        return np.asarray(self.groups)[self.classes_]

    def _fit_details(self, X: Any, labels: NDArray[np.int64], weight: Floats) -> None:  # noqa: N803
        self.detail_coef_ = np.zeros((len(self.classes_), X.shape[1]))
        self.detail_intercept_ = np.zeros(len(self.classes_))
        for group in range(len(self.groups_)):
            members = np.flatnonzero(self.group_of_class_ == group)
            rows = np.flatnonzero(self.group_of_class_[labels] == group)
            if len(members) > 1:
                within = np.searchsorted(members, labels[rows])
                coef, intercept = self._fit_level(
                    X[rows], within, weight[rows], self.detail_C, self.detail_columns
                )
                self.detail_coef_[members] = coef
                self.detail_intercept_[members] = intercept

    def _fit_level(
        self,
        X: Any,  # noqa: N803
        labels: NDArray[np.int64],
        weight: Floats,
        strength: float,
        columns: ArrayLike | None = None,
    ) -> tuple[Floats, Floats]:
        if labels.max() == 0:
            return np.zeros((1, X.shape[1])), np.zeros(1)
        seen = np.zeros(X.shape[1], dtype=np.bool_)
        seen[X.indices if sparse.issparse(X) else slice(None)] = True
        if columns is not None:
            seen &= np.asarray(columns)
        model = LogisticRegression(C=strength, max_iter=self.max_iter, tol=self.tol)
        scales = measure_rarity(X[:, seen], weight)
        scaled = X[:, seen] @ sparse.diags(scales.astype(X.dtype))
        model.fit(scaled, labels, sample_weight=weight)
        self.n_iter_ = max(self.n_iter_, int(model.n_iter_.max()))
        coef, intercept = model.coef_, model.intercept_
        if len(model.classes_) == 2:
            coef, intercept = (
                np.vstack([-coef, coef]) / 2,
                np.concatenate([-intercept, intercept]) / 2,
            )
        full = np.zeros((len(coef), X.shape[1]))
        full[:, seen] = round_weights(coef * scales)
        return full, intercept

    def decision_function(self, X: Any) -> Floats:  # noqa: N803
        """Return logits of the groups, shape (n, n_groups), or of the second of two, shape (n,)."""
        logits = self._group_logits(X)
        return logits[:, 1] - logits[:, 0] if logits.shape[1] == 2 else logits

    def _group_logits(self, X: Any) -> Floats:  # noqa: N803
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse="csr", dtype=np.float64, reset=False)  # noqa: N806
        return np.asarray(X @ self.coef_.T) + self.intercept_

    def predict_group_proba(self, X: Any) -> Floats:  # noqa: N803
        """Return the probabilities of the groups, shape (n, n_groups)."""
        return np.asarray(softmax(self._group_logits(X), axis=1))

    def predict_proba(self, X: Any) -> Floats:  # noqa: N803
        """Return the probabilities of the classes, shape (n, n_classes)."""
        groups = self.predict_group_proba(X)
        details = np.asarray(X @ self.detail_coef_.T) + self.detail_intercept_
        result = np.empty_like(details)
        for group in range(len(self.groups_)):
            members = self.group_of_class_ == group
            result[:, members] = softmax(details[:, members], axis=1) * groups[:, [group]]
        return result

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803
        """Return the likeliest class of the likeliest group, shape (n,)."""
        best = self._group_logits(X).argmax(axis=1)
        details = np.asarray(X @ self.detail_coef_.T) + self.detail_intercept_
        details[self.group_of_class_[None, :] != best[:, None]] = -np.inf
        return np.asarray(self.classes_[details.argmax(axis=1)])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        return tags


def measure_rarity(X: Any, weight: Floats) -> Floats:  # noqa: N803
    """Return the root of all rows over those that have a feature, by weight, shape (n_features,).

    With this scale, a name that occurs five times is learned as fast as a word of every second row.
    """
    present = weight @ (X != 0)
    rare = np.divide(weight.sum(), present, out=np.zeros_like(present), where=present > 0)
    return np.asarray(np.sqrt(rare))


def round_weights(coef: Floats) -> Floats:
    """Return the nearest weights that a byte times a power of two per feature can hold.

    Features with negligible weights become zero: they would cost memory and decide nothing.
    """
    coef = coef * (np.abs(coef).max(axis=0, initial=0.0) >= _NEGLIGIBLE)
    steps = UNIT * 2.0 ** compute_exponents(coef)
    return np.clip(np.round(coef / steps), -127, 127) * steps


class Categorizer(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """The categorizer takes columns and predicts detailed codes: features and classifier in one.

    Labels are indices into `CategoryTaxonomy.detailed`. Parameters are those of the two parts.
    """

    def __init__(
        self,
        min_rows: int = 3,
        C: float = 1.0,  # noqa: N803
        detail_C: float = 1.0,  # noqa: N803
        max_iter: int = 200,
        tol: float = 1e-4,
    ) -> None:
        self.min_rows = min_rows
        self.C = C
        self.detail_C = detail_C
        self.max_iter = max_iter
        self.tol = tol

    def fit(self, X: Columns, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:  # noqa: N803
        """Fit features and classifier; `y` holds indices of detailed codes, shape (n,)."""
        self.features_ = DescriptorFeatures(self.min_rows).fit(X)
        self.classifier_ = TwoLevelClassifier(
            groups=taxonomy.load_taxonomy().primary_of,
            detail_columns=self.features_.vocabulary_ & 1 == 0,
            C=self.C,
            detail_C=self.detail_C,
            max_iter=self.max_iter,
            tol=self.tol,
        )
        matrix = self.features_.transform(X).astype(np.float32)
        self.classifier_.fit(matrix, y, sample_weight)
        self.classes_ = self.classifier_.classes_
        return self

    def predict(self, X: Columns) -> NDArray[np.int16]:  # noqa: N803
        """Return indices of detailed codes, shape (n,)."""
        return np.asarray(self.classifier_.predict(self.features_.transform(X)), dtype=np.int16)

    def predict_proba(self, X: Columns) -> Floats:  # noqa: N803
        """Return uncalibrated probabilities in the order of `classes_`, shape (n, n_classes)."""
        return np.asarray(self.classifier_.predict_proba(self.features_.transform(X)))

    def predict_primary_proba(self, X: Columns) -> Floats:  # noqa: N803
        """Return uncalibrated probabilities of all primaries in the taxonomy's order, shape (n, 18)."""
        groups = self.classifier_.predict_group_proba(self.features_.transform(X))
        result = np.zeros((len(X), len(taxonomy.load_taxonomy().primaries)))
        result[:, self.classifier_.groups_] = groups
        return result

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        return tags
