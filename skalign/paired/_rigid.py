"""Rotation and translation between paired spaces."""

import warnings
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, _fit_context

from skalign._aligner import AffineMixin, PairedMixin
from skalign._arrays import settle, to_numpy
from skalign._determined import warn_undetermined
from skalign._validation import check_pairs
from skalign._warnings import user_level
from skalign.moments import PairStreamingMixin, rotation_from_axes
from skalign.paired._shared import Shared


def _rotation(moments, factors, allow_reflection):
    """Return the best rotation, its inner product and the rank that is determined."""
    U, s, Vt = moments.svd_of_xy(factors)
    rank = len(s)
    if not allow_reflection and len(U) == Vt.shape[1] == rank + 1:
        rank += 1
    return *rotation_from_axes(U, s, Vt, allow_reflection), rank


class RigidAligner(PairStreamingMixin, PairedMixin, AffineMixin, BaseEstimator):
    r"""Rotation and translation between paired spaces (orthogonal Procrustes).

    The map minimises

    .. math::
        \sum_i w_i \lVert s \, R^\top (x_i - \bar x) - (y_i - \bar y) \rVert^2

    over rotations and reflections :math:`R`, and with `scaling` also over the scale
    :math:`s`, which is otherwise 1; see the notes for spaces of different dimension. It
    preserves distances up to the scale, needs few pairs and hardly overfits. Use
    ``scaling=True`` for networks trained independently, whose latent spaces nearly
    always differ in scale. Read more in the :ref:`User Guide <paired>`.

    Parameters
    ----------
    scaling : bool, default=False
        Whether to learn one scale for all directions.

    allow_reflection : bool, default=True
        Whether reflections are allowed. If False, the determinant of the rotation is
        +1. This concerns only spaces with equal numbers of features, because between
        other spaces each reflection equals a rotation of the larger space.

    Attributes
    ----------
    rotation_ : ndarray of shape (n_features, n_targets)
        Orthogonal matrix. If the numbers of features differ, it is semi-orthogonal,
        with orthonormal rows if there are more target features, and orthonormal columns
        if there are fewer.

    scale_ : float
        Scale of all directions; 1.0 without `scaling`.

    coef_ : ndarray of shape (n_features, n_targets)
        Map from centred source samples to centred target samples,
        ``scale_ * rotation_``.

    determined_rank_ : int
        Number of directions that the pairs determine, at most ``min(n_features,
        n_targets)``. It is the numerical rank of ``Xc.T @ yc``, plus one if only a
        reflection is undetermined and none is allowed. A warning is raised if it is
        less than the maximum, for example if there are no more pairs than features; see
        the notes.

    x_mean_, y_mean_ : ndarray of shape (n_features,) and (n_targets,)
        Weighted means of the training samples.

    moments_ : Moments
        Sums from which the map was computed.

    n_features_in_, n_targets_, feature_names_in_, target_names_in_
        Numbers of source and target features, and arrays of their names if all are
        strings.

    See Also
    --------
    LinearAligner : Linear map by ridge regression.

    Notes
    -----
    The rotation maximises ``trace(R.T @ Xc.T @ yc)`` over semi-orthogonal matrices
    [1]_ [2]_. For ``n_features <= n_targets`` this is least squares. For
    ``n_features > n_targets``, ``||Xc @ R||`` depends on `R`, and the solution is that
    of least squares with the target padded by zero features; the scale is the least
    squares scale for that rotation.

    If there are fewer distinct pairs than features, or if the pairs lie in a proper
    subspace, the rotation of the remaining directions is not determined. They are
    rotated as little as possible, by the matrix closest to the identity, without a
    reflection if the numbers of features are equal. This is right if both spaces are
    nearly the same. If they are unrelated, it is a guess with twice the squared error
    of the mean. Add pairs, or use :class:`LinearAligner`, which maps undetermined
    directions to the mean.

    References
    ----------
    .. [1] P. H. Schönemann, "A generalized solution of the orthogonal Procrustes
       problem", Psychometrika 31(1), 1966, pp. 1-10.

    .. [2] W. Kabsch, "A solution for the best rotation to relate two sets of
       vectors", Acta Crystallographica A32(5), 1976, pp. 922-923.

    Examples
    --------
    >>> from skalign import RigidAligner
    >>> X, y = [[0, 0], [2, 0], [0, 1]], [[3, 3], [3, 5], [2, 3]]  # rotated, shifted
    >>> RigidAligner().fit(X, y).transform([[1, 1]])
    array([[2., 4.]])
    """

    _parameter_constraints = {"scaling": ["boolean"], "allow_reflection": ["boolean"]}

    def __init__(self, *, scaling: bool = False, allow_reflection: bool = True) -> None:
        self.scaling = scaling
        self.allow_reflection = allow_reflection

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Learn the rotation from pairs.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples in the source space.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            The same samples, row by row, in the target space.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, not negative. A weight of k counts as k equal samples.

        Returns
        -------
        self : object
            Fitted estimator.

        Raises
        ------
        ValueError
            If `X` and `y` differ in length, there are fewer than two pairs, or a value
            is not finite.
        """
        return self._fit_with_sums(X, y, sample_weight)

    def _fit_with_sums(self, X, y, sample_weight, shared=None):
        X, y, sample_weight = check_pairs(
            self, X, y, sample_weight=sample_weight, ensure_all_finite=False
        )
        return self._fit_checked(X, y, sample_weight, shared)

    def _fit_checked(self, X, y, sample_weight=None, shared=None):
        """Learn the rotation from validated pairs."""
        shared = Shared() if shared is None else shared
        self.moments_ = self._sum(X, y, sample_weight, shared.moments)
        factors = None
        if X.shape[0] < min(X.shape[1], y.shape[1]):
            root = 1.0
            if sample_weight is not None:
                root = np.sqrt(to_numpy(sample_weight))[:, None]
            means = self.moments_.x_mean, self.moments_.y_mean
            sides = zip((X, y), means, strict=True)
            factors = tuple((to_numpy(rows) - mean) * root for rows, mean in sides)
        self._learn(self.moments_, factors, shared)
        return settle(self, X)

    def _needed(self, n_features, n_targets):
        # From wide to narrow the length of the turned rows depends on all products.
        wide = self.scaling and n_features > n_targets
        return ("xy", "xx" if wide else "x2", "y2")

    def _learn(self, moments, factors=None, shared=None):
        reflect, shared = self.allow_reflection, shared or Shared()
        rotation, inner_product, self.determined_rank_ = shared.once(
            lambda: _rotation(moments, factors, reflect), "rotation", reflect
        )
        scale = 1.0
        if self.scaling:
            if moments.xx is None:
                squares = moments.x2.sum()
            else:
                squares = np.vdot(rotation, moments.xx @ rotation)
            scale = inner_product / squares if squares > 0 else 1.0
            if scale < 0:
                warnings.warn(
                    "The single feature of X is negatively correlated with that of y, "
                    "and allow_reflection=False: the best scale is 0, and all samples "
                    "are mapped to the mean. Set allow_reflection=True.",
                    UserWarning,
                    stacklevel=user_level(),
                )
                scale = 0.0
        self.scale_, self.rotation_ = scale, rotation.astype(self._dtype)
        self._set_map(
            scale * rotation,
            moments.x_mean,
            moments.y_mean,
            self._dtype,
            moments.y_precision,
        )
        limit = min(rotation.shape)
        warn_undetermined(self, "are turned as little as possible", limit)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True  # a rotation cannot fit any regression
        return tags
