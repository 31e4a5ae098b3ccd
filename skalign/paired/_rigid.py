"""Rotation and translation between paired spaces."""

import warnings

import numpy as np
from sklearn.base import BaseEstimator, _fit_context

from skalign._aligner import AffineMixin, PairedMixin
from skalign._determined import warn_undetermined
from skalign._validation import check_pairs
from skalign.moments import PairStreamingMixin, rotation_from_axes


class RigidAligner(PairStreamingMixin, PairedMixin, AffineMixin, BaseEstimator):
    """Rotation and translation between paired spaces (orthogonal Procrustes).

    The map that keeps every distance, and the one to start with: it needs few pairs
    and cannot overfit. With `scaling` it may also stretch all directions alike, which
    two networks trained apart nearly always need. Read more in the
    :ref:`User Guide <paired>`.

    Parameters
    ----------
    scaling : bool, default=False
        Whether to learn one scale for all directions.

    allow_reflection : bool, default=True
        Whether the rotation may mirror. If False, its determinant is +1; this concerns
        spaces of equal width only, since between different widths a reflection is a
        rotation seen from a larger space.

    Attributes
    ----------
    rotation_ : ndarray of shape (n_features, n_targets)
        Orthogonal; between different widths semi-orthogonal, with orthonormal rows
        from narrow to wide and orthonormal columns from wide to narrow.

    scale_ : float
        Stretch of every direction; 1.0 without `scaling`.

    coef_ : ndarray of shape (n_features, n_targets)
        Map from centred source rows to centred target rows,
        ``scale_ * rotation_``.

    determined_rank_ : int
        Number of directions that the pairs determine, at most the smaller width: the
        rank of the products of centred columns, up to rounding; one more where only a
        reflection is left open and none is allowed. A warning is given below the
        smaller width, as with no more pairs than columns; see the notes.

    x_mean_, y_mean_ : ndarray of shape (n_features,) and (n_targets,)
        Weighted means of the training rows.

    moments_ : Moments
        The sums that the map was made of.

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
    LinearAligner : Any linear map, by ridge regression.

    Notes
    -----
    The rotation maximises ``trace(R.T @ Xc.T @ yc)`` over semi-orthogonal matrices
    [1]_ [2]_. For ``n_features <= n_targets`` this is least squares. From wide to
    narrow, ``||Xc @ R||`` varies with `R`, and the answer is that of least squares on a
    target filled up with zero columns; the scale is least squares for that rotation.

    Fewer distinct pairs than columns, or pairs on a line or in a plane, leave a
    rotation of the other directions open. These are turned as little as possible: by
    the matrix nearest to the identity, without a reflection between equal widths. That
    is right where both spaces are nearly the same; where they have nothing to do with
    one another, it is a guess, twice as wrong there as the mean. Add pairs, or take
    :class:`LinearAligner`, which maps to the mean what no pair shows.

    References
    ----------
    .. [1] P. H. Schönemann, "A generalized solution of the orthogonal Procrustes
       problem", Psychometrika 31(1), 1966, pp. 1-10.

    .. [2] W. Kabsch, "A solution for the best rotation to relate two sets of
       vectors", Acta Crystallographica A32(5), 1976, pp. 922-923.

    Examples
    --------
    >>> from skalign import RigidAligner
    >>> X, y = [[0, 0], [2, 0], [0, 1]], [[3, 3], [3, 5], [2, 3]]  # turned, shifted
    >>> RigidAligner().fit(X, y).transform([[1, 1]])
    array([[2., 4.]])
    """

    _parameter_constraints = {"scaling": ["boolean"], "allow_reflection": ["boolean"]}

    def __init__(self, *, scaling=False, allow_reflection=True):
        self.scaling = scaling
        self.allow_reflection = allow_reflection

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y, sample_weight=None):
        """Learn the rotation from pairs.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of the source space.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            The same items, row by row, in the target space.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights, not negative. A weight of k counts as k equal rows.

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
        X, y, sample_weight = check_pairs(
            self, X, y, sample_weight=sample_weight, ensure_all_finite=False
        )
        self.moments_ = self._sum(X, y, sample_weight)
        self._learn(self.moments_)
        return self

    def _needed(self, n_features, n_targets):
        # From wide to narrow the length of the turned rows depends on all products.
        wide = self.scaling and n_features > n_targets
        return ("xy", "xx" if wide else "x2", "y2")

    def _learn(self, moments):
        U, s, Vt = moments.svd_of_xy()
        rotation, inner_product = rotation_from_axes(U, s, Vt, self.allow_reflection)
        self.determined_rank_ = len(s)
        if not self.allow_reflection and len(U) == Vt.shape[1] == len(s) + 1:
            self.determined_rank_ += 1
        scale = 1.0
        if self.scaling:
            if moments.xx is None:
                squares = moments.x2.sum()
            else:
                squares = np.vdot(rotation, moments.xx @ rotation)
            scale = inner_product / squares if squares > 0 else 1.0
            if scale < 0:
                warnings.warn(
                    "One column runs against the other, and allow_reflection=False: "
                    "the best scale is 0, and all rows go to one.",
                    UserWarning,
                    stacklevel=2,
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
        warn_undetermined(self, "are turned as little as possible")

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.regressor_tags.poor_score = True  # a rotation cannot fit any regression
        return tags
