"""Aligner fitted on a few selected pairs."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn import get_config
from sklearn.base import BaseEstimator, _fit_context, clone
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.metadata_routing import process_routing

from skalign._routing import take_rows
from skalign._validation import check_pairs
from skalign.paired._selectors import draws, selector_of
from skalign.paired._wrapper import WrapperMixin


class AnchoredAligner(WrapperMixin, BaseEstimator):
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

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.non_deterministic |= draws(selector_of(self))
        return tags
