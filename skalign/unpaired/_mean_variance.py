"""Mean and variance of each column."""

from numbers import Real

import numpy as np
from sklearn.base import BaseEstimator, _fit_context

from skalign._aligner import AlignerMixin
from skalign._parameters import Interval
from skalign._validation import check_sides
from skalign.moments import SideStreamingMixin


class MeanVarianceAligner(SideStreamingMixin, AlignerMixin, BaseEstimator):
    """Give each source column the mean and variance of the target's.

    The statistics of adaptive instance normalisation [1]_. It needs a handful of rows
    and sees no correlation, so it is the safe step where rows are few; where a few
    times more rows than columns are at hand, :class:`GaussianOTAligner` also aligns
    correlations. Read more in the :ref:`User Guide <second_moments>`.

    Parameters
    ----------
    reg : float, default=0.0
        Added to both variances, in squared units of the columns. Not negative.

    Attributes
    ----------
    scale_ : ndarray of shape (n_features,)
        Stretch of each column. Without `reg`, 1 where the source column is constant
        (there is nothing to stretch), and 0 where only the target's is.

    x_mean_, y_mean_ : ndarray of shape (n_features,)
        Means of the source and the target rows.

    source_moments_, target_moments_ : Moments or None
        The sums of each side; None if there were no target rows.

    n_targets_ : int
        Width of the target space, equal to `n_features_in_`.

    n_features_in_ : int
        Width of the source space.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the source columns, where `X` had any.

    target_names_in_ : ndarray of shape (`n_targets_`,)
        Names of the target columns, where `y` had any.

    See Also
    --------
    CORALAligner : Means and covariances.
    GaussianOTAligner : Means and covariances, moving rows least.

    References
    ----------
    .. [1] X. Huang and S. Belongie, "Arbitrary style transfer in real-time with
       adaptive instance normalization", ICCV 2017, pp. 1501-1510, Eq. 8.

    Examples
    --------
    >>> from skalign import MeanVarianceAligner
    >>> X, y = [[0, 0], [2, 1]], [[5, 5], [5, 9], [5, 7]]
    >>> MeanVarianceAligner().fit(X, y).transform([[1, 0]])
    array([[5.        , 5.58578644]])
    """

    _same_features = True
    _parameter_constraints = {"reg": [Interval(Real, 0, None, closed="left")]}

    def __init__(self, reg=0.0):
        self.reg = reg

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X, y=None):
        """Learn the map from rows of both sides, which need not correspond.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows of the source space.
        y : array-like of shape (n_target_samples, n_features)
            Rows of the target space, of the same width. With a `y` that holds no
            target rows (None, or the class labels that a Pipeline passes on) the
            aligner is the identity and warns.

        Returns
        -------
        self : object
            Fitted estimator.

        Raises
        ------
        ValueError
            If widths or names of columns differ, a side has fewer than two rows, or a
            value is not finite.
        """
        X, y, *_ = check_sides(self, X, y)
        self.source_moments_ = self.target_moments_ = None
        if y is None:
            zeros, ones = np.zeros(X.shape[1], X.dtype), np.ones(X.shape[1], X.dtype)
            return self._be_identity(
                source_moments_=self._sum(X), scale_=ones, x_mean_=zeros, y_mean_=zeros
            )
        self.source_moments_ = self._sum(X)
        self.target_moments_ = self._sum(y, name="y")
        self._learn(self.source_moments_, self.target_moments_)
        return self

    def _needed(self, n_features, n_targets):
        return ("x2",)

    def _learn(self, source, target):
        x_var, y_var = (self._variances(side) for side in (source, target))
        ratio = np.divide(y_var, x_var, out=np.ones_like(x_var), where=x_var > 0)
        self.scale_ = np.sqrt(ratio).astype(self._dtype)
        self.x_mean_ = source.x_mean.astype(self._dtype)
        self.y_mean_ = target.x_mean.astype(self._dtype)

    def _variances(self, moments):
        """Variances of a side plus `reg`; zero where they are of rounding size."""
        variances = moments.x2 / (moments.weight - 1)
        return np.where(moments.varies(), variances, 0) + self.reg

    def _map(self, X):
        mapped = (X - self.x_mean_) * self.scale_ + self.y_mean_
        return mapped.astype(X.dtype, copy=False)

    def _unmap(self, y):
        # At the source's mean in columns where `scale_` is 0.
        inverse = np.divide(
            1, self.scale_, out=np.zeros_like(self.scale_), where=self.scale_ > 0
        )
        return ((y - self.y_mean_) * inverse + self.x_mean_).astype(y.dtype, copy=False)

    @property
    def coef_(self):
        """Diagonal matrix of `scale_`."""
        return np.diag(self.scale_)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "scale_")
