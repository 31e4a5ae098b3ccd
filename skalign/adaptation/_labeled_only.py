"""Supervised learning from the labelled samples of stacked domains."""

from numbers import Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import (
    BaseEstimator,
    MetaEstimatorMixin,
    _fit_context,
    clone,
    is_classifier,
)
from sklearn.utils import _safe_indexing, get_tags, indexable
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from skalign._atomic import AtomicMixin
from skalign._labels import (
    as_written,
    check_labeled,
    check_names,
    check_no_gaps,
    check_source,
    find_missing,
)
from skalign._validation import check_no_dates


def _estimator_has(name):
    def check(self):
        getattr(getattr(self, "estimator_", self.estimator), name)
        return True

    return check


class LabeledOnly(AtomicMixin, MetaEstimatorMixin, BaseEstimator):
    """Fit a classifier or regressor on the labelled samples only.

    Final step of a pipeline with target samples stacked into `X`, whose unknown labels
    are marked by `missing_label`. Without this step the marker would be learnt as a
    class. Read more in the :ref:`User Guide <adaptation>`.

    Parameters
    ----------
    estimator : classifier or regressor
        Estimator to fit.
    missing_label : int, float, str or None, default=None
        Marker of an unknown label in `y`. None is -1 for a classifier and NaN for a
        regressor; among string labels, its string representation counts as well. With
        None, -1 is a class if there are no target samples and only one other class,
        since a classifier needs at least two.

    Attributes
    ----------
    estimator_ : classifier or regressor
        Fitted estimator.
    classes_ : ndarray of shape (n_classes,)
        Classes of a classifier, without `missing_label`.
    n_features_in_ : int
        Number of features seen in `fit`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the features, if all are strings.

    See Also
    --------
    DomainAdapter : Adapt source samples to the target domain.
    sklearn.semi_supervised.SelfTrainingClassifier : Learn from unlabelled samples.

    Notes
    -----
    Only target samples, those with a `sample_domain` < 0, may be unlabelled. A source
    sample whose label equals `missing_label` raises an error: if -1 is a class, its
    samples would otherwise be dropped silently. Target samples with a known label are
    used for fitting.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skalign import LabeledOnly
    >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0, 1, -1, -1]
    >>> model = LabeledOnly(LogisticRegression())
    >>> model.fit(X, y, sample_domain=[0, 0, -1, -1]).classes_
    array([0, 1])
    """

    __metadata_request__fit = {"sample_domain": True}
    __metadata_request__score = {"sample_domain": True}

    _parameter_constraints = {
        "estimator": [HasMethods(["fit", "predict"])],
        "missing_label": [Real, str, None],
    }

    def __init__(
        self, estimator: Any, *, missing_label: int | float | str | None = None
    ) -> None:
        self.estimator = estimator
        self.missing_label = missing_label

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        sample_domain: ArrayLike | None = None,
    ) -> Self:
        """Fit the estimator on the labelled samples.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples of both domains.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets of the prediction; `missing_label`, in all outputs, for target
            samples without a label.
        sample_weight : array-like of shape (n_samples,), default=None
            Sample weights, for estimators that accept them.
        sample_domain : array-like of shape (n_samples,), default=None
            Domain of each sample: a number >= 0 for a source, < 0 for a target. None
            means that all are source samples.

        Returns
        -------
        self : object
            Fitted estimator.

        Raises
        ------
        ValueError
            If a source sample or every sample has no label, or lengths differ.
        TypeError
            If `X` is an array of dates or durations.
        """
        X, y, weights = self._labeled_rows(X, y, sample_weight, sample_domain)
        self.estimator_ = clone(self.estimator).fit(X, y, **weights)
        return self

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Predict with the fitted estimator.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples of any domain.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Predictions.

        Raises
        ------
        TypeError
            If `X` is an array of dates or durations.
        """
        return self._fitted_for(X).predict(X)

    @available_if(_estimator_has("predict_proba"))
    def predict_proba(self, X: ArrayLike) -> np.ndarray:
        """Predict class probabilities with the fitted estimator.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples of any domain.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            Class probabilities, in the order of `classes_`.

        Raises
        ------
        TypeError
            If `X` is an array of dates or durations.
        """
        return self._fitted_for(X).predict_proba(X)

    @available_if(_estimator_has("decision_function"))
    def decision_function(self, X: ArrayLike) -> np.ndarray:
        """Evaluate the decision function of the fitted estimator.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples of any domain.

        Returns
        -------
        decision : ndarray of shape (n_samples,) or (n_samples, n_classes)
            Decision values.

        Raises
        ------
        TypeError
            If `X` is an array of dates or durations.
        """
        return self._fitted_for(X).decision_function(X)

    @available_if(_estimator_has("score"))
    def score(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        sample_weight: ArrayLike | None = None,
        sample_domain: ArrayLike | None = None,
    ) -> float:
        """Score the fitted estimator on the labelled samples.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples of both domains.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            As in `fit`.
        sample_weight : array-like of shape (n_samples,), default=None
            As in `fit`.
        sample_domain : array-like of shape (n_samples,), default=None
            As in `fit`.

        Returns
        -------
        score : float
            Result of the estimator's `score`: accuracy or R2.

        Raises
        ------
        ValueError, TypeError
            As in `fit`.
        """
        check_is_fitted(self)
        X, y, weights = self._labeled_rows(
            X, y, sample_weight, sample_domain, fitted=True
        )
        return self.estimator_.score(X, y, **weights)

    def _fitted_for(self, X):
        """Return the fitted estimator, unless it may fail inside on `X`."""
        check_is_fitted(self)
        check_no_dates(X)
        return self.estimator_

    def _labeled_rows(self, X, y, sample_weight, sample_domain, fitted=False):
        if y is None:
            raise ValueError("requires y to be passed, but the target y is None.")
        check_no_dates(X)
        X, y, sample_weight = indexable(X, y, sample_weight)
        y, missing_label = as_written(y), self._missing_label
        if not (isinstance(missing_label, Real) and np.isnan(missing_label)):
            check_no_gaps(y, missing_label)
        missing = find_missing(y, missing_label)
        is_source = np.ones(len(missing), dtype=bool)
        if sample_domain is not None:
            is_source = check_source(sample_domain, missing)
        if self.missing_label is None and is_source.all():
            if fitted:
                is_class = np.isin(y[missing], getattr(self, "classes_", [])).all()
            else:
                one_more = len({*y[~missing].ravel().tolist()}) == 1
                is_class = one_more and is_classifier(self.estimator)
            missing &= not is_class
        check_labeled(missing, is_source, missing_label)
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        if missing.any():
            kept = np.flatnonzero(~missing)
            X, y = _safe_indexing(X, kept), _safe_indexing(y, kept)
            weights = {name: _safe_indexing(w, kept) for name, w in weights.items()}
        if y.ndim == 1 and y.dtype.kind == "O" and is_classifier(self.estimator):
            check_names(y, "y")
        return X, y, weights

    @property
    def _missing_label(self):
        if self.missing_label is not None:
            return self.missing_label
        is_regressor = get_tags(self.estimator).estimator_type == "regressor"
        return np.nan if is_regressor else -1

    @property
    def classes_(self) -> np.ndarray:
        return self.estimator_.classes_

    @property
    def n_features_in_(self) -> int:
        return self.estimator_.n_features_in_

    @property
    def feature_names_in_(self) -> np.ndarray:
        return self.estimator_.feature_names_in_

    @property
    def _delegate(self):
        return self.estimator_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        of_estimator = get_tags(self.estimator)
        tags.estimator_type = of_estimator.estimator_type
        tags.classifier_tags = of_estimator.classifier_tags
        tags.regressor_tags = of_estimator.regressor_tags
        tags.target_tags = of_estimator.target_tags
        tags.input_tags = of_estimator.input_tags
        return tags
