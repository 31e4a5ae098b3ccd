"""A predictor that learns from the labelled rows of stacked domains."""

from numbers import Real

import numpy as np
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
    check_no_gaps,
    check_source,
    find_missing,
)


def _estimator_has(name):
    def check(self):
        getattr(getattr(self, "estimator_", self.estimator), name)
        return True

    return check


class LabeledOnly(AtomicMixin, MetaEstimatorMixin, BaseEstimator):
    """Fit a classifier or regressor on the rows that have a label.

    The last step of a pipeline whose target rows are stacked into `X`: their labels
    are not known, and `missing_label` stands in their place. Without this step the
    place-holder would be one more class. Read more in the
    :ref:`User Guide <adaptation>`.

    Parameters
    ----------
    estimator : classifier or regressor
        What is fitted.
    missing_label : int, float, str or None, default=None
        What stands for an unknown label in `y`: by default -1 for a classifier and
        NaN for a regressor. Among labels that are strings, its string does too. By
        default -1 is a class where there is no target row and one class besides it:
        a classifier has at least two.

    Attributes
    ----------
    estimator_ : classifier or regressor
        The fitted clone.
    classes_ : ndarray of shape (n_classes,)
        Classes of a classifier; `missing_label` is none of them.
    n_features_in_ : int
        Columns of `X`.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns of `X`, if all are strings.

    See Also
    --------
    DomainAdapter : The step that adapts the rows.
    sklearn.semi_supervised.SelfTrainingClassifier : Learns from rows without a label.

    Notes
    -----
    Only a target row, `sample_domain` < 0, may be without a label. A source row whose
    label equals `missing_label` is refused: where -1 is a class of its own, dropping
    its rows would go unseen. Target rows whose labels are known are learnt from.

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

    def __init__(self, estimator, *, missing_label=None):
        self.estimator = estimator
        self.missing_label = missing_label

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y, *, sample_weight=None, sample_domain=None):
        """Fit the estimator on the rows that have a label.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of both domains.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            What is to be predicted; `missing_label` in target rows without a label,
            in all outputs.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, for estimators that take them.
        sample_domain : array-like of shape (n_samples,), default=None
            Domain of each row: a number >= 0 for a source, < 0 for a target. Without
            it all rows are source rows.

        Returns
        -------
        self : object
            Fitted estimator.

        Raises
        ------
        ValueError
            If a source row has no label, no row has one, or lengths differ.
        """
        X, y, weights = self._labeled_rows(X, y, sample_weight, sample_domain)
        self.estimator_ = clone(self.estimator).fit(X, y, **weights)
        return self

    def predict(self, X):
        """Predict with the fitted estimator.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of any domain.

        Returns
        -------
        y : ndarray of shape (n_samples,) or (n_samples, n_outputs)
            Predictions.
        """
        check_is_fitted(self)
        return self.estimator_.predict(X)

    @available_if(_estimator_has("predict_proba"))
    def predict_proba(self, X):
        """Predict class probabilities with the fitted estimator.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of any domain.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_classes)
            Probabilities, columns in the order of `classes_`.
        """
        check_is_fitted(self)
        return self.estimator_.predict_proba(X)

    @available_if(_estimator_has("decision_function"))
    def decision_function(self, X):
        """Evaluate the decision function of the fitted estimator.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of any domain.

        Returns
        -------
        decision : ndarray of shape (n_samples,) or (n_samples, n_classes)
            Decision values.
        """
        check_is_fitted(self)
        return self.estimator_.decision_function(X)

    @available_if(_estimator_has("score"))
    def score(self, X, y, *, sample_weight=None, sample_domain=None):
        """Score the fitted estimator on the rows that have a label.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of both domains.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            As in `fit`.
        sample_weight : array-like of shape (n_samples,), default=None
            As in `fit`.
        sample_domain : array-like of shape (n_samples,), default=None
            As in `fit`.

        Returns
        -------
        score : float
            Score of the estimator: accuracy or R2.

        Raises
        ------
        ValueError
            As in `fit`.
        """
        check_is_fitted(self)
        X, y, weights = self._labeled_rows(
            X, y, sample_weight, sample_domain, fitted=True
        )
        return self.estimator_.score(X, y, **weights)

    def _labeled_rows(self, X, y, sample_weight, sample_domain, fitted=False):
        if y is None:
            raise ValueError("requires y to be passed, but the target y is None.")
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
        return X, y, weights

    @property
    def _missing_label(self):
        if self.missing_label is not None:
            return self.missing_label
        is_regressor = get_tags(self.estimator).estimator_type == "regressor"
        return np.nan if is_regressor else -1

    @property
    def classes_(self):
        return self.estimator_.classes_

    @property
    def n_features_in_(self):
        return self.estimator_.n_features_in_

    @property
    def feature_names_in_(self):
        return self.estimator_.feature_names_in_

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        of_estimator = get_tags(self.estimator)
        tags.estimator_type = of_estimator.estimator_type
        tags.classifier_tags = of_estimator.classifier_tags
        tags.regressor_tags = of_estimator.regressor_tags
        tags.target_tags = of_estimator.target_tags
        tags.input_tags = of_estimator.input_tags
        return tags
