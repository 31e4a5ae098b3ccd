"""Aligner fitted on a few selected pairs."""

from copy import deepcopy
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn import get_config
from sklearn.base import BaseEstimator, MetaEstimatorMixin, _fit_context, clone
from sklearn.utils import get_tags
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.metadata_routing import (
    MetadataRouter,
    MethodMapping,
    process_routing,
)
from sklearn.utils.metaestimators import available_if

from skalign._aligner import InnerAlignerMixin
from skalign._routing import take_rows
from skalign._validation import check_pairs, check_target_names
from skalign.paired._linear import LinearAligner
from skalign.paired._selectors import draws, selector_of


def _aligner_has(method):
    def check(self):
        getattr(getattr(self, "aligner_", self._unfitted), method)
        return True

    return check


class AnchoredMixin(InnerAlignerMixin):
    """Mixin for paired aligners that delegate to `aligner_`, fitted on anchors.

    Expects `aligner`, a paired aligner or None, the default.
    """

    @available_if(_aligner_has("predict"))
    def predict(self, X: ArrayLike) -> np.ndarray:
        """Predict target samples by the fitted aligner.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples in the source space.

        Returns
        -------
        y : ndarray of shape (n_samples, n_targets) or (n_samples,)
            Result of `predict` of the aligner.
        """
        X = self._check_source(X)
        return self.aligner_.predict(X)

    @available_if(_aligner_has("predict_std"))
    def predict_std(self, X: ArrayLike, *, include_noise: bool = True) -> np.ndarray:
        """Standard deviations of predictions by the fitted aligner.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples in the source space.
        include_noise : bool, default=True
            Whether to include the noise of a new target sample, or only the uncertainty
            of the map.

        Returns
        -------
        std : ndarray of shape (n_samples, n_targets) or (n_samples,)
            Result of `predict_std` of the aligner.
        """
        X = self._check_source(X)
        return self.aligner_.predict_std(X, include_noise=include_noise)

    @property
    def _same_features(self):
        return getattr(self._unfitted, "_same_features", False)

    @property
    def _unfitted(self):
        return LinearAligner() if self.aligner is None else self.aligner


class AnchoredAligner(AnchoredMixin, MetaEstimatorMixin, BaseEstimator):
    """Aligner fitted on a few selected pairs, the anchors.

    Use it if pairs are expensive: only the target samples of the anchors must be known.
    The selector uses source samples only, so that `y` can be filled with zeros for all
    other samples. :class:`AnchorSearchCV` helps to choose the number of anchors and the
    selector. Read more in the :ref:`User Guide <anchors>`.

    Parameters
    ----------
    aligner : object, default=None
        Paired aligner, or a pipeline that ends in one. None is ``LinearAligner()``.

    selector : object, default=None
        Rule that selects the anchors among the samples of `X`: an object of
        :mod:`skalign.anchors`, or any object with ``select(X, labels=None)``. None is
        ``RandomAnchors(random_state=random_state)``.

    random_state : int, RandomState instance or None, default=None
        Random state of the default selector. A given selector has its own.

    Attributes
    ----------
    aligner_ : object
        Aligner fitted on the anchors.

    anchor_indices_ : ndarray of shape (n_anchors,)
        Indices of the anchors among the training samples.

    n_features_in_, n_targets_, feature_names_in_, target_names_in_
        Numbers of source and target features, and arrays of their names if all are
        strings.

    See Also
    --------
    AnchorSearchCV : Search over selectors and numbers of anchors.
    RelativeRepresentation : Similarities to anchors, without a map.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign import AnchoredAligner, LinearAligner
    >>> from skalign.anchors import KMeansAnchors
    >>> rng = np.random.default_rng(0)
    >>> X, coef = rng.normal(size=(200, 4)), rng.normal(size=(4, 3))
    >>> aligner = AnchoredAligner(LinearAligner(alpha=0), KMeansAnchors(10))
    >>> aligner = aligner.fit(X, X @ coef)
    >>> len(aligner.anchor_indices_), round(aligner.score(X, X @ coef), 4)
    (10, 1.0)
    """

    _parameter_constraints = {
        "aligner": [HasMethods(["fit", "transform"]), None],
        "selector": [HasMethods("select"), None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        aligner: Any = None,
        selector: Any = None,
        *,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.aligner = aligner
        self.selector = selector
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        *,
        labels: ArrayLike | None = None,
        **fit_params: Any,
    ) -> Self:
        """Select the anchors and fit the aligner on them.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples in the source space.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            The same samples, row by row, in the target space.
        labels : array-like of shape (n_samples,), default=None
            Classes of the samples, for the selector.
        **fit_params : dict
            Parameters of `fit` of the aligner, such as `sample_weight`. Of those with
            one value per sample of `X`, the values of the anchors are passed. With
            metadata routing enabled, only those are passed that the aligner requests.

        Returns
        -------
        self : object
            Fitted estimator.

        Raises
        ------
        ValueError
            If `X` and `y` differ in length, there are fewer than two pairs, a value is
            not finite, or the selector or the aligner raises an error.
        """
        if get_config()["enable_metadata_routing"]:
            given = fit_params if labels is None else {**fit_params, "labels": labels}
            fit_params = process_routing(self, "fit", **given).aligner.fit
        return self._fit(X, y, labels, fit_params)

    def _fit(self, X, y, labels, fit_params):
        """Fit with what is routed to the aligner."""
        X, y, _ = check_pairs(self, X, y)
        y = y.ravel() if self._y_ndim == 1 else y
        anchors = selector_of(self).select(X, labels)
        fit_params = take_rows(fit_params, anchors, len(X))
        aligner = clone(self._unfitted)
        self.aligner_ = aligner.fit(X[anchors], y[anchors], **fit_params)
        self.anchor_indices_ = anchors
        return self

    @available_if(_aligner_has("score"))
    def score(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> float:
        """Score the fitted aligner, by R2 for all aligners with `predict`.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples in the source space.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            The same samples in the target space.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, not negative.

        Returns
        -------
        score : float
            Result of `score` of the aligner.
        """
        X = self._check_source(X)
        check_target_names(self, y)
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        return self.aligner_.score(X, np.asarray(y), **weights)

    def get_metadata_routing(self) -> Any:
        """Get the metadata that `fit` uses itself or passes on to the aligner.

        Returns
        -------
        routing : MetadataRouter
        """
        mapping = MethodMapping().add(caller="fit", callee="fit")
        router = MetadataRouter(owner=self).add_self_request(self)
        return router.add(aligner=self._unfitted, method_mapping=mapping)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        inner = get_tags(self._unfitted)
        tags.estimator_type = inner.estimator_type
        tags.regressor_tags = deepcopy(inner.regressor_tags)
        tags.transformer_tags = deepcopy(inner.transformer_tags)
        tags.target_tags.required = True
        tags.non_deterministic = inner.non_deterministic or draws(selector_of(self))
        return tags
