"""Rows as their similarities to anchors."""

import numpy as np
from sklearn.base import BaseEstimator, _fit_context
from sklearn.metrics.pairwise import (
    kernel_metrics,
    pairwise_distances,
    pairwise_kernels,
)
from sklearn.preprocessing import normalize
from sklearn.utils import check_consistent_length
from sklearn.utils._param_validation import HasMethods
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import validate_data

from skalign._aligner import AlignerMixin
from skalign._rescale import unit_rows
from skalign._validation import FLOATS, check_pairs, dimensions, stay_in_source
from skalign.moments import centre, pseudo_inverse, rounding_of_columns, truncated_svd
from skalign.paired._selectors import draws, selector_of


def _similarities(X, anchors, similarity, spread):
    """Return the similarities of shape (n_samples, n_anchors)."""
    if callable(similarity):
        values = np.asarray(similarity(X, anchors))
        if values.shape != (len(X), len(anchors)):
            raise ValueError(
                f"similarity returned the shape {values.shape} for {len(X)} rows and "
                f"{len(anchors)} anchors; ({len(X)}, {len(anchors)}) is wanted."
            )
    elif similarity == "cosine":
        values = unit_rows(X) @ unit_rows(anchors).T
    elif similarity in ("euclidean", "l2", "rbf"):  # by products, which would cancel
        measure = pairwise_kernels if similarity == "rbf" else pairwise_distances
        centre = anchors.mean(axis=0)
        values = measure(X - centre, anchors - centre, metric=similarity)
    elif similarity in kernel_metrics():
        values = pairwise_kernels(X, anchors, metric=similarity)
    else:
        values = pairwise_distances(X, anchors, metric=similarity, **spread)
    if not np.isfinite(values).all():
        raise ValueError(
            f"similarity={similarity!r} is not finite for some row, as the correlation "
            "of a row whose columns are equal."
        )
    return values.astype(X.dtype, copy=False)


def _spread(X, similarity):
    """Return the keywords that scikit-learn would else take from the rows compared."""
    if similarity == "seuclidean":
        variance = X.var(axis=0, ddof=1)
        variance[np.ptp(X, axis=0) == 0] = np.inf  # no distance along what never varied
        return {"V": variance}
    if similarity == "mahalanobis":
        _, s, Vt = truncated_svd(centre(X)[0], rounding_of_columns(X))
        return {"VI": (Vt.T / s**2 * (len(X) - 1)) @ Vt}
    return {}


def _rows_from_cosines(cosines, anchors):
    """Unit rows whose cosines with `anchors` are nearest to those given."""
    return normalize(cosines @ pseudo_inverse(unit_rows(anchors)).T)


def _rows_from_products(products, anchors):
    """Rows whose inner products with `anchors` are nearest to those given."""
    return products @ pseudo_inverse(anchors).T


def _rows_from_squared_distances(squares, anchors):
    """Rows at the given squared distances from `anchors`: triangulation of [2]_.

    ``|x - a|**2`` less its mean over the anchors is linear in `x`.
    """
    centre = anchors.mean(axis=0)
    anchors = anchors - centre
    lengths = np.einsum("ij,ij->i", anchors, anchors)
    excess = squares - squares.mean(axis=1, keepdims=True) - (lengths - lengths.mean())
    return centre - excess @ pseudo_inverse(anchors).T / 2


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
            f"similarity={self.similarity!r} has no inverse; those of "
            f"{list(_INVERSES)} have."
        )
    return True


class RelativeRepresentation(AlignerMixin, BaseEstimator):
    """Rows as their similarities to anchors, the same items in every space.

    Nothing is fitted but the choice of the anchors. Encoders that differ by a rotation
    and a scale give the same cosines, so that a head trained on the relative rows of
    one works on those of another without being told of it [1]_. Where there are enough
    pairs to fit a map, :class:`LinearAligner` is more accurate. Read more in the
    :ref:`User Guide <anchors>`.

    Parameters
    ----------
    selector : object, default=None
        What picks the anchors among the rows of `X`: an object of
        :mod:`skalign.anchors`, or any with ``select(X, labels=None)``. None is
        ``RandomAnchors(random_state=random_state)``.

    similarity : str or callable, default="cosine"
        Name of a kernel of scikit-learn's `pairwise_kernels`, else of a metric of its
        `pairwise_distances`; "cosine" is the similarity, not the distance, and 0 for
        rows of zeros. Metrics that need variances take those of the training rows. A
        callable takes rows and anchors and returns an array of shape (n_samples,
        n_anchors).

    random_state : int, RandomState instance or None, default=None
        Generator of the default selector; one that is given has its own.

    Attributes
    ----------
    anchor_indices_ : ndarray of shape (n_anchors,)
        Positions of the anchors among the training rows.

    anchors_ : ndarray of shape (n_anchors, n_features)
        Anchors in the source space.

    target_anchors_ : ndarray of shape (n_anchors, n_targets)
        The same items in the target space; `anchors_` where `fit` was given no target
        rows.

    n_targets_ : int
        Width of the target space.

    n_features_in_ : int
        Width of the source space.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the source columns, where `X` had any.

    target_names_in_ : ndarray of shape (`n_targets_`,)
        Names of the target columns, where `y` had any.

    See Also
    --------
    AnchoredAligner : Learns a map from the anchors.

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

    _into_target = False
    _parameter_constraints = {
        "selector": [HasMethods("select"), None],
        "random_state": ["random_state"],
        "similarity": [str, callable],
    }

    def __init__(self, selector=None, *, similarity="cosine", random_state=None):
        self.selector = selector
        self.similarity = similarity
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=False)
    def fit(self, X, y=None, *, labels=None):
        """Pick the anchors.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of the source space.
        y : array-like of shape (n_samples, n_targets), default=None
            The same items, row by row, in the target space. None or one-dimensional,
            as the class labels that a pipeline passes on, there is no target space but
            the source.
        labels : array-like of shape (n_samples,), default=None
            Classes of the rows, for the selector.

        Returns
        -------
        self : object
            Fitted estimator.

        Raises
        ------
        ValueError
            If `X` and `y` differ in length, there are fewer than two rows, a value or a
            similarity is not finite, `similarity` is unknown, or the selector refuses
            the rows.
        """
        if self.similarity == "precomputed":
            raise ValueError(
                "similarity='precomputed' leaves no anchors to compare new rows with."
            )
        if has_target := dimensions(y) == 2:
            X, y, _ = check_pairs(self, X, y)
        else:
            X = validate_data(self, X, dtype=FLOATS, ensure_min_samples=2)
            check_consistent_length(X, y)
            stay_in_source(self)
        self.anchor_indices_ = selector_of(self).select(X, labels)
        self.anchors_ = self.target_anchors_ = X[self.anchor_indices_]
        self._spread = self._target_spread = _spread(X, self.similarity)
        if has_target:
            self.target_anchors_ = y[self.anchor_indices_]
            self._target_spread = _spread(y, self.similarity)
        _similarities(self.anchors_[:1], self.anchors_, self.similarity, self._spread)
        return self

    def _map(self, X):
        return _similarities(X, self.anchors_, self.similarity, self._spread)

    def _map_target(self, y):
        return _similarities(
            y, self.target_anchors_, self.similarity, self._target_spread
        )

    @available_if(_has_inverse)
    def _unmap(self, y):
        rows = _INVERSES[self.similarity](
            y.astype(np.float64), self.anchors_.astype(np.float64)
        )
        return rows.astype(y.dtype, copy=False)

    @property
    def _n_features_out(self):
        return len(self.anchors_)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.non_deterministic = draws(selector_of(self))
        return tags
