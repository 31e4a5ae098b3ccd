"""Alignment of the mean and variance of each feature."""

from numbers import Real
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, _fit_context

from skalign._aligner import AlignerMixin
from skalign._arrays import as_dtype, beside, settle, to_numpy
from skalign._layers import affine
from skalign._validation import Interval, check_sides
from skalign.moments import SideStreamingMixin


class MeanVarianceAligner(SideStreamingMixin, AlignerMixin, BaseEstimator):
    r"""Match the mean and variance of each feature.

    Feature :math:`j` of a source sample is mapped by

    .. math::
        x_j \mapsto \sqrt{\frac{\sigma_{t,j}^2 + \mathrm{reg}}
        {\sigma_{s,j}^2 + \mathrm{reg}}} \; (x_j - m_{s,j}) + m_{t,j}

    with the means :math:`m` and variances :math:`\sigma^2` of the source and the
    target, as in adaptive instance normalisation [1]_. It needs only a few samples and
    ignores correlations. With several times more samples than features,
    :class:`GaussianOTAligner` also aligns correlations. Read more in the
    :ref:`User Guide <second_moments>`.

    Parameters
    ----------
    reg : float, default=0.0
        Constant added to both variances, in squared units of the features; not
        negative.

    Attributes
    ----------
    scale_ : ndarray of shape (n_features,)
        Scale of each feature. With ``reg=0`` it is 1 if the source feature is constant,
        and 0 if only the target feature is.

    x_mean_, y_mean_ : ndarray of shape (n_features,)
        Means of the source and the target samples.

    source_moments_, target_moments_ : Moments or None
        Sums of each side. None if there were no target samples.

    n_features_in_, n_targets_, feature_names_in_, target_names_in_
        Number of features, equal on both sides, and arrays of their names if all are
        strings.

    See Also
    --------
    CORALAligner : Means and covariances.
    GaussianOTAligner : Means and covariances, with the smallest displacement.

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

    def __init__(self, reg: float = 0.0) -> None:
        self.reg = reg

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Learn the map from samples of both spaces, which need not correspond.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples in the source space.
        y : array-like of shape (n_target_samples, n_features)
            Samples in the target space, with the same features. If `y` has no target
            samples (None, or the class labels that a Pipeline passes on), the aligner
            is the identity and a warning is raised.

        Returns
        -------
        self : object
            Fitted estimator.

        Raises
        ------
        ValueError
            If numbers or names of features differ, a side has fewer than two samples,
            or a value is not finite.
        """
        X, y = check_sides(self, X, y)
        self.source_moments_ = self.target_moments_ = None
        if y is None:
            self.source_moments_ = self._sum(X)
            d = X.shape[1]
            zeros, ones = np.zeros(d, self._dtype), np.ones(d, self._dtype)
            self._be_identity(scale_=ones, x_mean_=zeros, y_mean_=zeros)
            return settle(self, X)
        self.source_moments_ = self._sum(X)
        self.target_moments_ = self._sum(y, name="y")
        self._learn(self.source_moments_, self.target_moments_)
        return settle(self, X)

    def _needed(self, n_features, n_targets):
        return ("x2",)

    def _learn(self, source, target):
        x_var, y_var = (self._variances(side) for side in (source, target))
        ratio = np.divide(y_var, x_var, out=np.ones_like(x_var), where=x_var > 0)
        self.scale_ = np.sqrt(ratio).astype(self._dtype)
        self.x_mean_ = source.x_mean.astype(self._dtype)
        self.y_mean_ = target.x_mean.astype(self._dtype)

    def _variances(self, moments):
        """Variances of a side plus `reg`; those of rounding size count as zero."""
        variances = moments.x2 / (moments.weight - 1)
        return np.where(moments.varies(), variances, 0) + self.reg

    def _map(self, X):
        return as_dtype((X - self.x_mean_) * self.scale_ + self.y_mean_, X.dtype)

    def _layers(self):
        return (affine(self.x_mean_, self.scale_, self.y_mean_),)

    def _unmap(self, y):
        # Columns with a `scale_` of 0 are set to the source's mean.
        scale = to_numpy(self.scale_)
        inverse = np.divide(1, scale, out=np.zeros_like(scale), where=scale > 0)
        return as_dtype((y - self.y_mean_) * beside(inverse, y) + self.x_mean_, y.dtype)

    @property
    def _placed(self):
        return self.scale_

    @property
    def coef_(self) -> np.ndarray:
        """Diagonal matrix of `scale_`."""
        return beside(np.diag(to_numpy(self.scale_)), self.scale_)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "scale_")
