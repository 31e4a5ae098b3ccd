"""Both sides of pairs to one space, by canonical correlations."""

from numbers import Integral, Real

from sklearn.base import BaseEstimator, _fit_context

from skalign._canonical import canonical_maps, check_n_components
from skalign._parameters import Interval
from skalign._rescale import cast_finite
from skalign._validation import check_pairs
from skalign.moments import centre
from skalign.paired._common_space import CommonSpaceMixin


class CanonicalAligner(CommonSpaceMixin, BaseEstimator):
    """Both sides of pairs to one space, by canonical correlations with a ridge.

    For search between spaces of which neither tells all that the other knows, such as
    pictures and captions: what only one side knows takes no part. Read more in the
    :ref:`User Guide <cross_space_retrieval>`.

    Parameters
    ----------
    n_components : int, default=None
        Width of the common space, at most ``min(n_features, n_targets)``. None takes
        as many as the rows span: what the sides do not share has little weight.

    shrinkage : float, default=1.0
        Ridge relative to the variance, as a share of the mean eigenvalue of the Gram
        matrix of a side; not negative. Use a larger value with fewer pairs than
        columns, and about 0.1 with many pairs. With 0 and fewer pairs than columns, all
        directions correlate perfectly.

    Attributes
    ----------
    x_coef_ : ndarray of shape (n_features, n_components)
        Map from centred source rows.

    y_coef_ : ndarray of shape (n_targets, n_components)
        Map from centred target rows.

    x_mean_, y_mean_ : ndarray of shape (n_features,) and (n_targets,)
        Means of the training rows.

    correlations_ : ndarray of shape (n_components,)
        Canonical correlations of the training rows, from 0 to 1 and falling; less than
        those without a ridge.

    n_components_ : int
        Width of the common space.

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
    ContrastiveAligner : Goes on from here to the loss of retrieval itself.
    GeneralizedProcrustes : More than two spaces.

    Notes
    -----
    Canonical ridge [1]_. Coordinates are multiplied by their correlation, which makes
    each side the best linear prediction of the other's coordinates: with it search
    finds more than with coordinates of equal size [2]_.

    References
    ----------
    .. [1] H. D. Vinod, "Canonical ridge and econometrics of joint production", Journal
       of Econometrics 4(2), 1976, pp. 147-166.

    .. [2] Y. Gong, Q. Ke, M. Isard and S. Lazebnik, "A multi-view embedding space for
       modeling internet images, tags, and their semantics", International Journal of
       Computer Vision 106(2), 2014, pp. 210-233: section 3.2.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign import CanonicalAligner
    >>> rng = np.random.default_rng(0)
    >>> shared = rng.normal(size=(300, 5))
    >>> X, y = (np.c_[shared, 3 * rng.normal(size=(300, 5))] for _ in range(2))
    >>> aligner = CanonicalAligner(5, shrinkage=0.1).fit(X[:200], y[:200])
    >>> aligner.score(X[200:], y[200:]) > 0.9
    True
    """

    _parameter_constraints = {
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "shrinkage": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(self, n_components=None, *, shrinkage=1.0):
        self.n_components = n_components
        self.shrinkage = shrinkage

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y):
        """Learn the common space from pairs.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of the source space.
        y : array-like of shape (n_samples,) or (n_samples, n_targets)
            The same items, row by row, in the target space.

        Returns
        -------
        self : object
            Fitted estimator.

        Raises
        ------
        ValueError
            If lengths differ, there are fewer than two pairs, a value is not finite,
            all rows of a side are equal, the map to the common space or the sum of a
            column overflows, or `n_components` is too large.
        """
        X, y, _ = check_pairs(self, X, y)
        n_components = check_n_components(self.n_components, X, y)
        *coefs, self.correlations_ = canonical_maps(X, y, self.shrinkage, n_components)
        self.x_coef_, self.y_coef_ = (
            cast_finite(coef, X.dtype, f"The map of {name}")
            for coef, name in zip(coefs, "Xy", strict=True)
        )
        means = (centre(rows)[1] for rows in (X, y))
        self.x_mean_, self.y_mean_ = (mean.astype(X.dtype) for mean in means)
        self.n_components_ = len(self.correlations_)
        return self

    def _map(self, X):
        return _apply(X, self.x_mean_, self.x_coef_)

    def _map_target(self, y):
        return _apply(y, self.y_mean_, self.y_coef_)


def _apply(rows, mean, coef):
    return (rows - mean.astype(rows.dtype, copy=False)) @ coef.astype(
        rows.dtype, copy=False
    )
