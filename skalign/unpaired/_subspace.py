"""Subspace alignment."""

from numbers import Integral
from typing import Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, _fit_context

from skalign._aligner import AlignerMixin
from skalign._determined import warn_undetermined
from skalign._layers import affine
from skalign._rescale import signed
from skalign._validation import Interval, check_sides
from skalign.moments import Moments, Spectrum, pseudo_inverse


def principal_axes(rows, name="X"):
    """Return the mean, variances and principal axes of samples.

    Returns
    -------
    mean : ndarray of shape (n_features,)
    variances : ndarray of shape (rank,), largest first
    axes : ndarray of shape (n_features, rank)
    """
    if len(rows) < rows.shape[1]:
        spectrum = Spectrum.from_rows(rows, name)
    else:
        spectrum = Spectrum.from_moments(Moments.from_arrays(rows, x_name=name))
    return spectrum.mean, spectrum.values, spectrum.vectors


def tied_at(k, variances, precision):
    """Numbers of axes before and including those whose variances tie at position `k`.

    Parameters
    ----------
    k : int
        Number of leading axes to keep.
    variances : ndarray of shape (rank,), largest first
    precision : float
        Relative precision of the samples. Equal variances may differ by its square
        root because whitening divides by variances of all sizes.

    Returns
    -------
    before, through : int
        Number of axes before the ties, and number that includes them; both `k` if no
        axis ties with one beyond.
    """
    tied = np.abs(variances / variances[k - 1] - 1) <= np.sqrt(precision)
    if not tied[k:].any():
        return k, k
    return int(np.argmax(tied)), len(tied) - int(np.argmax(tied[::-1]))


class SubspaceAligner(AlignerMixin, BaseEstimator):
    """Align the leading principal axes of the source with those of the target.

    Both sides are projected onto their leading principal axes, and source coordinates
    are mapped linearly to target coordinates such that
    :math:`\\lVert P_s M - P_t \\rVert_F` is smallest [1]_. Use it for many features and
    few samples, for which leading axes can be estimated but a full covariance cannot.
    Both sides are mapped to a common subspace: compare ``transform(X)`` with
    ``transform_target(y)``. Read more in the :ref:`User Guide <subspaces>`.

    Parameters
    ----------
    n_components : int, default=None
        Dimension of the common subspace, at most the rank of the centred target
        samples. None is the smaller rank of both sides, which removes almost nothing;
        smaller values are usually better.

    Attributes
    ----------
    n_components_ : int
        Dimension of the common subspace.

    determined_rank_ : int
        Number of axes that the data determine on both sides, at most `n_components_`.
        It is smaller, and a warning is raised, if the source varies in fewer
        directions, or if the variances before and after the last axis are equal up to
        rounding, as for whitened samples. In the second case any of the tied axes may
        be selected, and the source keeps all of them, so that both sides are projected
        in the same way.

    coef_ : ndarray of shape (n_features, n_components)
        Map from centred source samples to the subspace. Source axes without variance
        are ignored.

    target_coef_ : ndarray of shape (n_features, n_components)
        Map from centred target samples to the subspace. Its columns are orthonormal,
        and the largest entry of each is positive.

    x_mean_, y_mean_ : ndarray of shape (n_features,)
        Means of the source and the target samples.

    n_features_in_, n_targets_, feature_names_in_, target_names_in_
        Number of features, equal on both sides, and arrays of their names if all are
        strings.

    See Also
    --------
    TransferComponentAligner : Subspace computed from both sides together.
    CORALAligner : Also aligns variances.

    Notes
    -----
    With the leading axes :math:`P_s` and :math:`P_t` of both sides, source samples are
    mapped by :math:`P_s P_s^\\top P_t` and target samples by :math:`P_t` (Eq. 3 of
    [1]_). The paper standardises both sides; here samples are only centred. Standardise
    them first if features differ in scale.

    References
    ----------
    .. [1] B. Fernando, A. Habrard, M. Sebban and T. Tuytelaars, "Unsupervised visual
       domain adaptation using subspace alignment", ICCV 2013, pp. 2960-2967.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign import SubspaceAligner
    >>> X = np.array([[0, 0, 0.1], [2, 0, 0], [4, 0, 0.1]])
    >>> y = np.array([[0, 0, 0], [1, 0.1, 0], [2, 0, 0]]) + 5
    >>> aligner = SubspaceAligner(n_components=1).fit(X, y)
    >>> aligner.transform(X[[0, 2]]).round(1)
    array([[-2.],
           [ 2.]])
    >>> aligner.transform_target(y[[0, 2]]).round(1)
    array([[-1.],
           [ 1.]])
    """

    _into_target, _same_features = False, True
    _parameter_constraints = {
        "n_components": [Interval(Integral, 1, None, closed="left"), None]
    }

    def __init__(self, n_components: int | None = None) -> None:
        self.n_components = n_components

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Compute the axes of both sides, whose samples need not correspond.

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
            If numbers or names of features differ, a side has fewer than two samples or
            only equal ones, a value is not finite, or `n_components` is above the rank
            of the target.
        """
        X, y = check_sides(self, X, y)
        if y is None:
            self.n_components_ = self.determined_rank_ = X.shape[1]
            zeros, axes = (
                np.zeros(X.shape[1], X.dtype),
                np.eye(X.shape[1], dtype=X.dtype),
            )
            return self._be_identity(
                coef_=axes, target_coef_=axes, x_mean_=zeros, y_mean_=zeros
            )
        x_mean, x_variances, x_axes = principal_axes(X)
        y_mean, y_variances, y_axes = principal_axes(y, "y")
        for name, axes in (("X", x_axes), ("y", y_axes)):
            if axes.shape[1] == 0:
                raise ValueError(
                    f"All samples of {name} are equal: they span no subspace."
                )
        k = self.n_components
        if k is None:
            k = min(x_axes.shape[1], y_axes.shape[1])
        elif k > y_axes.shape[1]:
            raise ValueError(
                f"n_components={k} must be at most {y_axes.shape[1]}, the rank of the "
                "centred target samples."
            )
        precision = np.finfo(X.dtype).eps
        x_before, n_kept = tied_at(min(k, len(x_variances)), x_variances, precision)
        y_before, _ = tied_at(k, y_variances, precision)
        x_axes, y_axes = x_axes[:, :n_kept], signed(y_axes[:, :k])
        self.n_components_ = k
        self.determined_rank_ = min(x_before, y_before)
        self.coef_ = (x_axes @ (x_axes.T @ y_axes)).astype(X.dtype)
        self.target_coef_ = y_axes.astype(X.dtype)
        self.x_mean_, self.y_mean_ = x_mean.astype(X.dtype), y_mean.astype(X.dtype)
        warn_undetermined(
            self, "have no variance in the source, or tie with some left out", k
        )
        return self

    def _map(self, X):
        return ((X - self.x_mean_) @ self.coef_).astype(X.dtype, copy=False)

    def _layers(self):
        return (affine(self.x_mean_, self.coef_),)

    def _map_target(self, y):
        return ((y - self.y_mean_) @ self.target_coef_).astype(y.dtype, copy=False)

    def _unmap(self, y):
        rows = y @ pseudo_inverse(self.coef_) + self.x_mean_
        return rows.astype(y.dtype, copy=False)
