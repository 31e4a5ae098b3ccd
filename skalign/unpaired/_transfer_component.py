"""Transfer component analysis."""

from functools import reduce
from numbers import Integral, Real
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import norm, qr, svd
from sklearn.base import BaseEstimator, _fit_context
from sklearn.kernel_approximation import Nystroem
from sklearn.utils import check_random_state, gen_batches
from sklearn.utils._param_validation import StrOptions

from skalign._aligner import AlignerMixin
from skalign._layers import InFloat64, Kernel, affine
from skalign._rescale import largest_about_mean, signed
from skalign._validation import Interval, check_sides
from skalign.moments import (
    Moments,
    check_scale,
    rounding_of_columns,
    truncated_eigh,
    truncated_svd,
)

_BATCH = 8192


def transfer_components(source, target, mu, *, of_kernel):
    """Directions of large variance in which the means of both sides agree.

    Parameters
    ----------
    source, target : Moments
        Sums of products of the features of each side; the kernel of two samples is the
        inner product of their features.
    mu : float
        Weight of the complexity term.
    of_kernel : bool
        Whether the features come from the inverse root of a kernel matrix. Rounding
        errors of the matrix then affect all of them equally.

    Returns
    -------
    eigenvalues : ndarray of shape (rank,), largest first
    coef : ndarray of shape (n_features, rank)
    """
    pooled = source.merge(target)
    rounding = pooled.rounding()
    if of_kernel:
        rounding[:] = np.sqrt(len(rounding) * pooled.precision * norm(pooled.xx))
    values, axes = truncated_eigh(pooled.xx, rounding, pooled.precision)
    if len(values) == 0:
        raise ValueError(
            "All samples of both sides are equal up to rounding"
            + (" in the kernel: scale them, or raise gamma." if of_kernel else ".")
        )
    spread = np.sqrt(values)
    # Products about the origin are those about the mean plus one more row.
    level = np.sqrt(pooled.n_samples) * pooled.x_mean
    beyond = level - axes @ (axes.T @ level)
    if beyond @ beyond > norm(beyond * rounding):
        axes = np.column_stack([axes, beyond / norm(beyond)])
    rows = np.eye(len(spread), axes.shape[1]) * spread[:, None]
    (root,) = qr(np.vstack([level @ axes, rows]), mode="r", check_finite=False)
    # K has the eigenvalues of root @ root.T, and K @ w is features @ root.T @ w.
    root = root[: axes.shape[1]] @ axes.T
    gap = root @ (source.x_mean - target.x_mean)  # K @ L @ K is gap @ gap.T
    # With gap as the last axis the root of mu * I + gap @ gap.T is diagonal. Its
    # entries can differ by many orders of magnitude, so they are not mixed again, and
    # large ones come first: the SVD then computes the smallest to its own digits.
    turn, _ = qr(gap[:, None], check_finite=False)
    turn = turn[:, ::-1]
    diagonal = np.full(len(gap), np.sqrt(mu))
    diagonal[-1] = np.hypot(diagonal[-1], norm(gap))
    scatter = root @ (axes[:, : len(spread)] * spread)  # times its transpose: K @ H @ K
    U, s, _ = svd(turn.T @ scatter / diagonal[:, None], check_finite=False)
    eigenvalues = np.zeros(len(gap))
    eigenvalues[: len(s)] = _square(s)
    return eigenvalues, root.T @ (turn @ (U / diagonal[:, None]))


def _square(singular_values):
    """Square descending values; raise an error if the largest leaves float64."""
    with np.errstate(over="ignore", under="ignore"):
        squares = singular_values**2
    for way, beyond in (
        ("overflow", np.isinf(squares[0])),
        ("underflow", singular_values[0] > 0 and squares[0] < np.finfo(float).tiny),
    ):
        if beyond:
            raise ValueError(
                f"The eigenvalues {way} float64; they grow with the fourth power of "
                "the features. Scale the columns."
            )
    return squares


class TransferComponentAligner(AlignerMixin, BaseEstimator):
    """Transfer component analysis: components with similar means on both sides.

    The components, in the feature space of a kernel, maximise the variance of all
    samples relative to the distance between the means of both sides (their maximum mean
    discrepancy) [1]_. Use it if domains differ in a few directions that can be removed.
    Both sides are mapped to a common subspace: compare ``transform(X)`` with
    ``transform_target(y)``. Read more in the :ref:`User Guide <subspaces>`.

    Parameters
    ----------
    n_components : int, default=None
        Dimension of the common subspace, at most the rank of the kernel matrix. None is
        that rank.

    kernel : {"linear", "rbf"}, default="linear"
        Kernel function.

    gamma : float, default=None
        Coefficient of the RBF kernel, ``exp(-gamma * ||x - y||^2)``. Positive. None is
        1 / n_features, which suits standardised features.

    mu : float, default=1.0
        Weight of the complexity of the components relative to the distance of the
        means, in squared units of the kernel. Positive. Larger values reduce the
        influence of the distance.

    n_landmarks : int, default=1000
        Number of samples of both sides together that span the components with the RBF
        kernel (Nystroem approximation). The result is exact if it is at least the
        number of samples. Time grows with the number of samples times its square.

    random_state : int, RandomState instance or None, default=None
        Determines the landmarks, which do not depend on the order of samples.

    Attributes
    ----------
    n_components_ : int
        Dimension of the common subspace.

    coef_ : ndarray of shape (n_features, n_components) or \
            (n_landmarks, n_components) or None
        Map from samples, or from their kernel features, to the subspace. None if there
        were no target samples.

    eigenvalues_ : ndarray of shape (n_components,)
        Scatter of all samples along each component relative to the penalty, in
        decreasing order.

    landmarks_ : ndarray of shape (n_landmarks, n_features) or None
        Samples that span the components. None with the linear kernel.

    n_features_in_, n_targets_, feature_names_in_, target_names_in_
        Number of features, equal on both sides, and arrays of their names if all are
        strings.

    See Also
    --------
    SubspaceAligner : Alignment of the principal axes of each side.

    Notes
    -----
    With the kernel matrix :math:`K` of all samples, the centring matrix :math:`H` and
    :math:`L = e e^\\top`, where :math:`e` is :math:`1 / n_s` for source and
    :math:`-1 / n_t` for target samples, the components are the leading solutions of the
    symmetric-definite problem

    .. math::  K H K w = \\lambda \\, (K L K + \\mu I) \\, w

    (Eq. 5 of [1]_, with :math:`\\mu` where the paper has it in the unsupervised case),
    scaled by :math:`w^\\top (K L K + \\mu I) w = 1`. It is solved in the span of the
    features, from the sums of their products, and does not depend on the order of
    samples. The sign of a component is chosen such that its largest coefficient is
    positive. The linear kernel depends on the origin: centre or standardise samples
    first.

    References
    ----------
    .. [1] S. J. Pan, I. W. Tsang, J. T. Kwok and Q. Yang, "Domain adaptation via
       transfer component analysis", IEEE Transactions on Neural Networks 22(2), 2011,
       pp. 199-210.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign import TransferComponentAligner
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(50, 2)) * [1, 5]
    >>> y = X[:20] + [9, 0]  # the sides differ in the first feature
    >>> aligner = TransferComponentAligner(n_components=1).fit(X, y)
    >>> mapped, target = aligner.transform(X), aligner.transform_target(y)
    >>> bool(abs(mapped.mean() - target.mean()) < 0.001 * mapped.std())
    True
    """

    _into_target, _same_features = False, True
    _parameter_constraints = {
        "n_components": [Interval(Integral, 1, None, closed="left"), None],
        "kernel": [StrOptions({"linear", "rbf"})],
        "gamma": [Interval(Real, 0, None, closed="neither"), None],
        "mu": [Interval(Real, 0, None, closed="neither")],
        "n_landmarks": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        n_components: int | None = None,
        *,
        kernel: Literal["linear", "rbf"] = "linear",
        gamma: float | None = None,
        mu: float = 1.0,
        n_landmarks: int = 1000,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.n_components = n_components
        self.kernel = kernel
        self.gamma = gamma
        self.mu = mu
        self.n_landmarks = n_landmarks
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Compute the components of both sides, whose samples need not correspond.

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
            If numbers or names of features differ, a side has fewer than two samples, a
            value is not finite, all samples of both sides are equal, `n_components` is
            above the rank of the kernel matrix, or eigenvalues overflow or underflow.
        """
        X, y = check_sides(self, X, y)
        self.landmarks_ = self._nystroem = None
        if y is None:
            return self._be_identity(n_components_=X.shape[1], coef_=None)
        if np.all(X[0] == X) and np.all(y == X[0]):
            raise ValueError(
                "All samples of both sides are equal: they span no subspace."
            )
        basis = None
        if self.kernel == "rbf":
            for name, rows in (("X", X), ("y", y)):
                check_scale(largest_about_mean(rows), np.float64, name)
            self._nystroem = Nystroem(
                gamma=self.gamma,
                n_components=min(self.n_landmarks, len(X) + len(y)),
                random_state=0,  # affects only the order of the landmarks
            ).set_output(transform="default")
            self.landmarks_ = self._draw_landmarks(X, y)
            self._centre = self.landmarks_.mean(axis=0)  # products far from 0 cancel
            self._nystroem.fit(self.landmarks_ - self._centre)
        elif len(X) + len(y) < X.shape[1]:
            rows = np.vstack([X, y])
            rounding = rounding_of_columns(rows)
            _, _, Vt = truncated_svd(rows.astype(np.float64), rounding)
            basis = Vt.T
        eigenvalues, coef = transfer_components(
            *(self._moments(side, basis) for side in (X, y)),
            self.mu,
            of_kernel=self._nystroem is not None,
        )
        k = coef.shape[1] if self.n_components is None else self.n_components
        if k > coef.shape[1]:
            raise ValueError(
                f"n_components={k} must be at most {coef.shape[1]}, the rank of the "
                "kernel of all samples."
            )
        coef = coef[:, :k] if basis is None else basis @ coef[:, :k]
        self.n_components_, self.eigenvalues_ = k, eigenvalues[:k]
        self.coef_ = signed(coef)
        return self

    def _draw_landmarks(self, X, y):
        rows = np.vstack([X, y]).astype(np.float64)
        rows = rows[np.lexsort(rows.T)]
        if self.n_landmarks >= len(rows):
            return rows
        rng = check_random_state(self.random_state)
        return rows[rng.choice(len(rows), self.n_landmarks, replace=False)]

    def _moments(self, rows, basis):
        batches = (
            Moments.from_arrays(self._features(rows[batch], basis))
            for batch in gen_batches(len(rows), _BATCH)
        )
        return reduce(Moments.merge, batches)

    def _features(self, rows, basis=None):
        rows = rows.astype(np.float64, copy=False)
        if self._nystroem is not None:
            return self._nystroem.transform(rows - self._centre)
        return rows if basis is None else rows @ basis

    def _map(self, X):
        return self._embed(X)

    def _layers(self):
        if self._nystroem is None:
            return (InFloat64((affine(np.zeros(len(self.coef_)), self.coef_),)),)
        points = self._nystroem.components_
        gamma = self._nystroem.gamma or 1 / points.shape[1]
        width = np.full(points.shape[1], np.sqrt(gamma))
        kernel = affine(self._centre, width), Kernel(points * width, "rbf")
        zero = np.zeros(len(points))
        inverse_root = affine(zero, self._nystroem.normalization_.T)
        return (InFloat64((*kernel, inverse_root, affine(zero, self.coef_))),)

    def _map_target(self, y):
        return self._embed(y)

    def _embed(self, rows):
        return (self._features(rows) @ self.coef_).astype(rows.dtype, copy=False)
