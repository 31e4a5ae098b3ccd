"""Relative representations: similarities of samples to anchors."""

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, _fit_context
from sklearn.metrics.pairwise import (
    kernel_metrics,
    pairwise_distances,
    pairwise_kernels,
)
from sklearn.utils import check_consistent_length
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import validate_data

from skalign._aligner import AlignerMixin
from skalign._arrays import (
    arrive,
    as_dtype,
    beside,
    floats,
    is_of_another_library,
    namespace,
    settle,
    take_rows,
    to_numpy,
)
from skalign._layers import InFloat64, Kernel, affine
from skalign._rescale import normalized, unit_rows
from skalign._validation import check_pairs, dimensions, stay_in_source
from skalign.moments import centre, pseudo_inverse, rounding_of_columns, truncated_svd
from skalign.paired._selectors import draws, selector_of


def _similarities(X, anchors, similarity, spread):
    """Return the similarities of shape (n_samples, n_anchors)."""
    expected = X.shape[0], anchors.shape[0]
    if callable(similarity):
        values = similarity(X, anchors)
        values = values if is_of_another_library(values) else np.asarray(values)
        if tuple(values.shape) != expected:
            raise ValueError(
                f"similarity returned an array of shape {tuple(values.shape)} for "
                f"{expected[0]} samples and {expected[1]} anchors; expected {expected}."
            )
    elif similarity == "cosine":
        values = unit_rows(X) @ unit_rows(anchors).T
    elif similarity in ("euclidean", "l2", "rbf"):  # by products, which would cancel
        measure = pairwise_kernels if similarity == "rbf" else pairwise_distances
        centre = namespace(anchors).mean(anchors, axis=0)
        values = measure(X - centre, anchors - centre, metric=similarity)
    elif similarity in kernel_metrics():
        values = pairwise_kernels(X, anchors, metric=similarity)
    else:  # on the CPU
        rows = to_numpy(X), to_numpy(anchors)
        values = beside(pairwise_distances(*rows, metric=similarity, **spread), X)
    if not (xp := namespace(values)).all(xp.isfinite(values)):
        raise ValueError(
            f"similarity={similarity!r} is not finite for some sample, for example a "
            "correlation for equal features. Remove such samples, or use another "
            "similarity."
        )
    return as_dtype(values, X.dtype)


def _spread(X, similarity):
    """Return keywords that scikit-learn would otherwise compute from the samples."""
    if similarity in ("seuclidean", "mahalanobis"):
        X = to_numpy(X)
    if similarity == "seuclidean":
        variance = X.var(axis=0, ddof=1)
        variance[np.ptp(X, axis=0) == 0] = np.inf  # no distance along what never varied
        return {"V": variance}
    if similarity == "mahalanobis":
        _, s, Vt = truncated_svd(centre(X)[0], rounding_of_columns(X))
        return {"VI": (Vt.T / s**2 * (len(X) - 1)) @ Vt}
    return {}


def _inverse(anchors):
    return beside(pseudo_inverse(to_numpy(anchors)), anchors)


def _rows_from_cosines(cosines, anchors):
    """Return unit vectors whose cosines with `anchors` are closest to `cosines`."""
    return normalized(cosines @ _inverse(unit_rows(anchors)).T)


def _rows_from_products(products, anchors):
    """Return vectors whose products with `anchors` are closest to `products`."""
    return products @ _inverse(anchors).T


def _rows_from_squared_distances(squares, anchors):
    """Return vectors at given squared distances from `anchors` (triangulation of [2]_).

    ``|x - a|**2`` minus its mean over the anchors is linear in `x`.
    """
    xp = namespace(anchors)
    centre = xp.mean(anchors, axis=0)
    anchors = anchors - centre
    lengths = xp.vecdot(anchors, anchors)
    excess = squares - xp.mean(squares, axis=1, keepdims=True)
    excess -= lengths - xp.mean(lengths)
    return centre - excess @ _inverse(anchors).T / 2


def _rows_from_distances(distances, anchors):
    return _rows_from_squared_distances(distances**2, anchors)


_INVERSES = {
    "cosine": _rows_from_cosines,
    "linear": _rows_from_products,
    "euclidean": _rows_from_distances,
    "l2": _rows_from_distances,
    "sqeuclidean": _rows_from_squared_distances,
}


def _has_inverse(self):
    if self.similarity not in tuple(_INVERSES):
        raise AttributeError(
            f"similarity={self.similarity!r} has no inverse; use one of "
            f"{list(_INVERSES)}."
        )
    return True


class RelativeRepresentation(AlignerMixin, BaseEstimator):
    """Relative representation: similarities of samples to anchors.

    The anchors are the same samples in every space, and `fit` only selects them.
    Spaces that differ by a rotation and a scale have the same cosine similarities, so
    that a model trained on the relative representation of one space can be applied to
    that of another without training [1]_. If there are enough pairs to fit a map,
    :class:`LinearAligner` is more accurate. Read more in the
    :ref:`User Guide <anchors>`.

    Parameters
    ----------
    selector : object, default=None
        Rule that selects the anchors among the samples of `X`: an object of
        :mod:`skalign.anchors`, or any object with ``select(X, labels=None)``. None is
        ``RandomAnchors(random_state=random_state)``.

    similarity : str or callable, default="cosine"
        Name of a kernel of scikit-learn's `pairwise_kernels`, or else of a metric of
        its `pairwise_distances`. "cosine" is the similarity, not the distance, and 0
        for samples of norm 0. Metrics that need variances use those of the training
        samples. A callable is called with samples and anchors and returns an array of
        shape (n_samples, n_anchors).

    random_state : int, RandomState instance or None, default=None
        Random state of the default selector. A given selector has its own.

    Attributes
    ----------
    anchor_indices_ : ndarray of shape (n_anchors,)
        Indices of the anchors among the training samples.

    anchors_ : ndarray of shape (n_anchors, n_features)
        Anchors in the source space.

    target_anchors_ : ndarray of shape (n_anchors, n_targets)
        Anchors in the target space; equal to `anchors_` if `fit` was given no target
        samples.

    n_features_in_, n_targets_, feature_names_in_, target_names_in_
        Numbers of source and target features, and arrays of their names if all are
        strings.

    See Also
    --------
    AnchoredAligner : Map learnt from anchors.

    References
    ----------
    .. [1] L. Moschella, V. Maiorca, M. Fumero, A. Norelli, F. Locatello and
       E. Rodolà, "Relative representations enable zero-shot latent space
       communication", ICLR 2023.

    .. [2] V. de Silva and J. B. Tenenbaum, "Sparse multidimensional scaling using
       landmark points", technical report, Stanford University, 2004.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign import RelativeRepresentation
    >>> from skalign.anchors import RandomAnchors
    >>> rng = np.random.default_rng(0)
    >>> X, turn = rng.normal(size=(50, 3)), [[0, 5, 0], [0, 0, 5], [5, 0, 0]]
    >>> y = X @ turn
    >>> relative = RelativeRepresentation(RandomAnchors(10, random_state=0)).fit(X, y)
    >>> np.allclose(relative.transform(X), relative.transform_target(y))
    True
    """

    _any_library = True
    _into_target = False
    _parameter_constraints = {
        "selector": [HasMethods("select"), None],
        "random_state": ["random_state"],
        "similarity": [str, callable],
    }

    def __init__(
        self,
        selector: Any = None,
        *,
        similarity: str | Callable[..., Any] = "cosine",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.selector = selector
        self.similarity = similarity
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        labels: ArrayLike | None = None,
    ) -> Self:
        """Select the anchors.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples in the source space.
        y : array-like of shape (n_samples, n_targets), default=None
            The same samples, row by row, in the target space. If None or
            one-dimensional, as the class labels that a pipeline passes on, the target
            space is the source space.
        labels : array-like of shape (n_samples,), default=None
            Classes of the samples, for the selector.

        Returns
        -------
        self : object
            Fitted estimator.

        Raises
        ------
        ValueError
            If `X` and `y` differ in length, there are fewer than two samples, a value
            or a similarity is not finite, `similarity` is unknown, or the selector
            raises an error.
        """
        if self.similarity == "precomputed":
            raise ValueError(
                "similarity='precomputed' is not supported, because new samples are "
                "compared with anchors. Use the name of a kernel or metric, or a "
                "callable."
            )
        if has_target := dimensions(y) == 2:
            X, y, _ = check_pairs(self, X, y)
        else:
            X = arrive(X, "X", stays=True)
            X = validate_data(self, X, dtype=floats(X), ensure_min_samples=2)
            check_consistent_length(X, y)
            stay_in_source(self)
        self.anchor_indices_ = selector_of(self).select(X, labels)
        self.anchors_ = self.target_anchors_ = take_rows(X, self.anchor_indices_)
        self._spread = self._target_spread = _spread(X, self.similarity)
        if has_target:
            self.target_anchors_ = take_rows(y, self.anchor_indices_)
            self._target_spread = _spread(y, self.similarity)
        first = self.anchors_[:1, :]
        _similarities(first, self.anchors_, self.similarity, self._spread)
        return settle(self, X)

    def _map(self, X):
        return _similarities(X, self.anchors_, self.similarity, self._spread)

    def _map_target(self, y):
        return _similarities(
            y, self.target_anchors_, self.similarity, self._target_spread
        )

    def _layers(self):
        anchors = to_numpy(self.anchors_).astype(np.float64, copy=False)
        centre, one = anchors.mean(axis=0), np.ones(anchors.shape[1])
        if self.similarity == "linear":
            return (affine(0 * one, anchors.T),)
        if self.similarity == "cosine":
            return (InFloat64((Kernel(unit_rows(anchors), "cosine"),)),)
        if self.similarity in ("euclidean", "l2"):
            kind, width = "euclidean", one
        elif self.similarity == "rbf":
            kind, width = "rbf", one / np.sqrt(len(one))
        else:
            raise TypeError(
                f"similarity={self.similarity!r} cannot be converted; 'cosine', "
                "'euclidean', 'l2', 'linear' and 'rbf' can."
            )
        points = Kernel((anchors - centre) * width, kind)
        return (InFloat64((affine(centre, width), points)),)

    @available_if(_has_inverse)
    def _unmap(self, y):
        wide = floats(y)[0]
        given = as_dtype(y, wide), as_dtype(self.anchors_, wide)
        return as_dtype(_INVERSES[self.similarity](*given), y.dtype)

    @property
    def _placed(self):
        return self.anchors_

    @property
    def _n_features_out(self):
        return self.anchors_.shape[0]

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.non_deterministic = draws(selector_of(self))
        return tags
