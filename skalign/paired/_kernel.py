"""Linear map between paired spaces with a smooth correction, by kernel ridge."""

from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Literal, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import eigh
from scipy.linalg.lapack import dpocon, dpotrf, dtrtri
from scipy.spatial.distance import pdist
from sklearn.base import BaseEstimator, _fit_context
from sklearn.metrics.pairwise import euclidean_distances, rbf_kernel
from sklearn.utils import check_random_state, gen_batches
from sklearn.utils._param_validation import StrOptions

from skalign._aligner import AlignerMixin, PairedMixin
from skalign._layers import FAR, InFloat64, Kernel, Sum, affine, layers_of
from skalign._rescale import largest_about_mean, power_of, times_power
from skalign._validation import Interval, check_pairs
from skalign.moments import check_scale
from skalign.paired._distinct import Distinct
from skalign.paired._linear import LinearAligner
from skalign.paired._ridge import Spectrum, default_alphas, gcv_errors, loo_errors
from skalign.paired._shared import Shared

# Candidates for gamma, in units of one over the median squared distance.
_GAMMAS = (1 / 8, 1 / 2, 2.0, 8.0)
_BATCH = 1024
_WELL_CONDITIONED = 1e-8  # reciprocal condition number


def _left_out_residuals(aligner, distinct):
    """Residuals of a linear map fitted without the sample, for each distinct sample."""
    P = (distinct.X - aligner.x_mean_) @ aligner._axes
    residual = distinct.y - aligner._map(distinct.X)
    leverage = 1 / aligner._weight + P**2 @ (1 / aligner._curvature)
    left_out = distinct.left_out_residuals(
        residual, P, leverage, aligner._curvature, 1 / aligner._weight
    )
    # A sample alone in some direction does not show the error there.
    return np.where(np.isnan(left_out), residual, left_out)


class _Root(NamedTuple):
    matrix: np.ndarray
    well_conditioned: bool


@dataclass
class _KernelRidge:
    """Kernel ridge regression in axes in which its system is diagonal.

    ``P = kernel(rows, landmarks) @ basis`` are features with the inner products of the
    kernel, exactly for the landmarks; `spectrum` is the ridge problem in them.
    """

    gamma: float
    scale: np.ndarray
    landmarks: np.ndarray
    basis: np.ndarray
    spectrum: Spectrum

    @classmethod
    def from_rows(cls, distinct, gammas, scale, landmarks=None):
        """Diagonalise the system for scaled samples and each of several kernels.

        Distances are computed once for all kernels. `landmarks` None takes all samples.
        """
        X, roots = distinct.X, np.sqrt(distinct.weight)[:, None]
        y2 = distinct.weight @ distinct.y**2
        if landmarks is None:
            squares, systems = euclidean_distances(X, squared=True), []
            for gamma in gammas:
                kernel = roots * _gaussian(squares, gamma) * roots.T
                eigenvalues, axes = _positive_eigh(kernel)
                cross = np.sqrt(eigenvalues)[:, None] * (axes.T @ (roots * distinct.y))
                basis = roots * axes / np.sqrt(eigenvalues)
                systems.append((eigenvalues, basis, cross))
        else:
            systems = cls._nystroem(distinct, roots, gammas, landmarks)
        ridges = []
        for gamma, (eigenvalues, basis, cross) in zip(gammas, systems, strict=True):
            spectrum = Spectrum(
                eigenvalues=eigenvalues,
                axes=np.eye(len(eigenvalues)),
                cross=cross,
                y2=y2,
                x_mean=np.zeros(len(eigenvalues)),
                y_mean=np.zeros(distinct.y.shape[1]),
                weight=distinct.weight.sum(),
                n_pairs=distinct.n_pairs,
                fit_intercept=False,
                x_precision=None,
                y_precision=None,
                axes_error=0.0,
            )
            points = X if landmarks is None else landmarks
            ridges.append(cls(gamma, scale, points, basis, spectrum))
        return ridges

    @staticmethod
    def _nystroem(distinct, roots, gammas, landmarks):
        """Return eigenvalues, basis and cross products of the system of each kernel."""
        squares = euclidean_distances(landmarks, squared=True)
        bases = [_inverse_root(_gaussian(squares, gamma)) for gamma in gammas]
        grams, crosses = [0.0] * len(gammas), [0.0] * len(gammas)
        for rows in gen_batches(len(distinct.y), _BATCH):
            squares = euclidean_distances(distinct.X[rows], landmarks, squared=True)
            y = roots[rows] * distinct.y[rows]
            for i, gamma in enumerate(gammas):
                features = roots[rows] * _gaussian(squares, gamma)
                if not bases[i].well_conditioned:
                    features = features @ bases[i].matrix
                grams[i] += features.T @ features
                crosses[i] += features.T @ y
        systems = []
        for (basis, well_conditioned), gram, cross in zip(
            bases, grams, crosses, strict=True
        ):
            if well_conditioned:  # a product of the sums costs less than one of rows
                gram, cross = basis.T @ gram @ basis, basis.T @ cross
            eigenvalues, axes = _positive_eigh(gram)
            systems.append((eigenvalues, basis @ axes, axes.T @ cross))
        return systems

    def features(self, X):
        return _kernel(X, self.landmarks, self.gamma) @ self.basis

    def dual_coef(self, alpha):
        """Coefficients of the kernel functions at the landmarks."""
        curvature = self.spectrum.eigenvalues + alpha
        return self.basis @ (self.spectrum.cross / curvature[:, None])

    def helps(self, alpha, distinct):
        """Whether it lowers the leave-one-out error by more than a standard error."""
        P, curvature = self.features(distinct.X), self.spectrum.eigenvalues + alpha
        power = power_of(distinct.y)  # squares may overflow
        y, cross = (
            times_power(part, -power) for part in (distinct.y, self.spectrum.cross)
        )
        gain = np.einsum("ij,ij->i", y, y)
        y -= P @ (cross / curvature[:, None])
        leverage = P**2 @ (1 / curvature)
        gain -= distinct.left_out_squares(y, P, leverage, curvature, 0.0)
        gain[np.isnan(gain)] = 0  # a sample too influential shows none
        share = distinct.weight / distinct.weight.sum()
        mean = share @ gain
        return mean > np.sqrt(share**2 @ (gain - mean) ** 2)


def _positive_eigh(gram):
    """Eigenvalues above rounding, and their axes."""
    eigenvalues, axes = eigh(gram, driver="evd", check_finite=False)
    kept = eigenvalues > len(gram) * np.finfo(np.float64).eps * eigenvalues[-1]
    return eigenvalues[kept], axes[:, kept]


def _inverse_root(kernel):
    """Return a matrix R such that R @ R.T is the (pseudo-)inverse of a kernel."""
    # Well-conditioned, it comes from Cholesky in a fifth of the time.
    norm = np.abs(kernel).sum(axis=0).max()
    triangle, failed = dpotrf(kernel)
    if not failed and dpocon(triangle, norm)[0] > _WELL_CONDITIONED:
        return _Root(dtrtri(triangle)[0], well_conditioned=True)
    eigenvalues, axes = _positive_eigh(kernel)
    return _Root(axes / np.sqrt(eigenvalues), well_conditioned=False)


def _gaussian(squares, gamma):
    """RBF kernel of squared distances."""
    kernel = squares * -gamma
    return np.exp(kernel, out=kernel)


def _kernel(rows, landmarks, gamma):
    """RBF kernel of centred samples; 0 where squared distances overflow."""
    with np.errstate(over="ignore"):
        rows, landmarks = (np.sqrt(gamma) * side for side in (rows, landmarks))
    return rbf_kernel(
        np.clip(rows, -FAR, FAR), np.clip(landmarks, -FAR, FAR), gamma=1.0
    )


class KernelAligner(PairedMixin, AlignerMixin, BaseEstimator):
    r"""Linear map between paired spaces with a smooth nonlinear correction.

    The map is :math:`f(x) + g(x)`. The linear part :math:`f` is a
    :class:`LinearAligner`. The correction is a kernel ridge regression [1]_ of its
    leave-one-out residuals :math:`r_i`, with a Gaussian kernel :math:`k`:

    .. math::
        \min_g \; \sum_i w_i \lVert g(x_i) - r_i \rVert^2
        + \alpha \lVert g \rVert_{\mathcal{H}}^2, \qquad
        k(x, x') = e^{-\gamma \lVert (x - x') / s \rVert^2} .

    Use it if the relation between the spaces is smooth but not linear, and there are
    hundreds of pairs or more. If no correction lowers the leave-one-out error by more
    than its standard error, :math:`g = 0` and the map is linear. Far from the training
    samples, the correction vanishes. Read more in the :ref:`User Guide
    <kernel_aligner>`.

    Parameters
    ----------
    gamma : float, default=None
        Coefficient of the kernel, in units of `X` (:math:`s = 1`). None selects 1/8,
        1/2, 2 or 8 times the inverse of the median squared distance between samples,
        and whether features are divided by their standard deviations first, by the
        lowest cross-validation error; then half and twice the best are tried.

    alpha : float or {"gcv", "loo"}, default="gcv"
        Weight of the penalty, positive. "gcv" selects one of 21 values over ten decades
        by generalised cross-validation, "loo" by the exact leave-one-out error. Both
        treat copies of a pair as :class:`LinearAligner` does.

    n_landmarks : int, default=1000
        Maximum number of samples that span the correction. The result is exact if it is
        at least the number of samples; otherwise a random subset of this size is used
        (Nystroem approximation [2]_).

    random_state : int, RandomState instance or None, default=None
        Determines the random subset.

    Attributes
    ----------
    linear_ : LinearAligner
        Linear part.

    gamma_ : float or None
        Coefficient of the kernel; None without a correction.

    alpha_ : float
        Weight of the penalty; infinite without a correction.

    scale_ : ndarray of shape (n_features,)
        Divisors :math:`s` of the features in the kernel: ones, or standard deviations,
        which are infinite for constant features.

    landmarks_ : ndarray of shape (n_landmarks, n_features)
        Samples that span the correction, centred by ``linear_.x_mean_`` and divided by
        `scale_`; none without a correction.

    dual_coef_ : ndarray of shape (n_landmarks, n_targets)
        Coefficients of the kernel functions at the landmarks.

    n_targets_ : int
        Number of target features.

    n_features_in_ : int
        Number of source features.

    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the source features, if `X` had any.

    target_names_in_ : ndarray of shape (`n_targets_`,)
        Names of the target features, if `y` had any.

    See Also
    --------
    LinearAligner : The linear part alone; it streams, and has an inverse.
    StitchingRegressor : A neural network, for thousands of pairs.
    skalign.model_selection.alignability : Whether the pairs support a nonlinear map.

    Notes
    -----
    With n samples and m landmarks, `fit` takes O(n m (m + n_targets)) operations for
    each of the ten kernels that are compared, and O(n n_targets + m^2) memory beyond
    the samples. The fit to leave-one-out residuals keeps the correction from learning
    the error of the linear part on samples it was fitted to.

    References
    ----------
    .. [1] C. Saunders, A. Gammerman and V. Vovk, "Ridge regression learning algorithm
       in dual variables", ICML 1998, pp. 515-521.

    .. [2] C. K. I. Williams and M. Seeger, "Using the Nystroem method to speed up
       kernel machines", NeurIPS 2000, pp. 682-688.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign import KernelAligner, LinearAligner
    >>> X = np.random.default_rng(0).normal(size=(400, 2))
    >>> y = X + 0.5 * X**2
    >>> for aligner in (LinearAligner(), KernelAligner()):
    ...     print(f"{aligner.fit(X[:200], y[:200]).score(X[200:], y[200:]):.3f}")
    0.611
    0.999
    """

    _parameter_constraints = {
        "gamma": [Interval(Real, 0, None, closed="neither"), None],
        "alpha": [
            Interval(Real, 0, None, closed="neither"),
            StrOptions({"gcv", "loo"}),
        ],
        "n_landmarks": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        gamma: float | None = None,
        *,
        alpha: float | Literal["gcv", "loo"] = "gcv",
        n_landmarks: int = 1000,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.gamma = gamma
        self.alpha = alpha
        self.n_landmarks = n_landmarks
        self.random_state = random_state

    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Learn the map from pairs.

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
            If `X` and `y` differ in length, there are fewer than two pairs, a value is
            not finite, squares of a column overflow or underflow, or `gamma` cannot be
            selected because `alpha` leaves no degrees of freedom.
        """
        return self._fit_with_sums(X, y, sample_weight)

    def _fit_with_sums(self, X, y, sample_weight, shared=None):
        shared = Shared() if shared is None else shared
        X, y, sample_weight = check_pairs(self, X, y, sample_weight=sample_weight)
        X, y = X.astype(np.float64, copy=False), y.astype(np.float64, copy=False)
        largest = largest_about_mean(X)
        check_scale(largest, np.float64, "X", n_terms=4 * X.shape[1])
        self.linear_ = LinearAligner()._fit_with_sums(X, y, sample_weight, shared)
        distinct = Distinct.once(
            shared, X, y, sample_weight, n_coefs=min(self.n_landmarks, len(X))
        )
        residual = _left_out_residuals(self.linear_, distinct)
        distinct = replace(distinct, X=distinct.X - self.linear_.x_mean_, y=residual)
        deviations = np.full(X.shape[1], np.inf)
        varies = largest > 0
        deviations[varies] = np.sqrt(
            np.average(distinct.X[:, varies] ** 2, axis=0, weights=distinct.weight)
        )
        self.gamma_, self.alpha_ = None, np.inf
        self.scale_ = np.ones(X.shape[1])
        self.landmarks_ = np.empty((0, X.shape[1]))
        self.dual_coef_ = np.empty((0, self.n_targets_))
        self._fit_correction(distinct, deviations)
        return self

    def _fit_correction(self, distinct, deviations):
        """Select kernel and penalty, and fit the targets of `distinct`."""
        chosen = None
        if len(distinct.X) > self.n_landmarks:
            rng = check_random_state(self.random_state)
            chosen = rng.choice(len(distinct.X), self.n_landmarks, replace=False)
        best = None
        for scale in [self.scale_] + [deviations] * (self.gamma is None):
            scaled = replace(distinct, X=distinct.X / scale)
            drawn = None if chosen is None else scaled.X[chosen]
            gammas = self._gammas(scaled.X if drawn is None else drawn)
            best = self._best(best, scaled, gammas, scale, drawn)
        if best is not None and self.gamma is None:
            _, _, coarse, scaled = best
            drawn = None if chosen is None else coarse.landmarks
            gammas = coarse.gamma / 2, coarse.gamma * 2
            best = self._best(best, scaled, gammas, coarse.scale, drawn)
        if best is None:  # all samples are equal
            return
        error, alpha, ridge, scaled = best
        if np.isinf(error) and self.gamma is None:
            raise ValueError(
                f"alpha={self.alpha!r} leaves no degrees of freedom to select gamma in "
                f"{distinct.n_units:.0f} distinct samples. Set gamma, or a larger "
                "alpha, or alpha='gcv'."
            )
        if isinstance(self.alpha, str) and not ridge.helps(alpha, scaled):
            return
        self.gamma_, self.alpha_, self.scale_ = ridge.gamma, float(alpha), ridge.scale
        self.landmarks_, self.dual_coef_ = ridge.landmarks, ridge.dual_coef(alpha)

    def _best(self, best, scaled, gammas, scale, drawn):
        """Return the one with the lowest error: `best`, or a kernel's best penalty."""
        for ridge in _KernelRidge.from_rows(scaled, gammas, scale, drawn):
            alphas, errors = self._errors(ridge, scaled)
            i = int(np.argmin(errors))
            if best is None or errors[i] < best[0]:
                best = errors[i], alphas[i], ridge, scaled
        return best

    def _errors(self, ridge, distinct):
        """Return candidate penalties and their cross-validation errors."""
        alphas = np.array([self.alpha])
        if isinstance(self.alpha, str):
            alphas = default_alphas(ridge.spectrum)[::2]
        if distinct.even and self.alpha != "loo":
            return alphas, gcv_errors(ridge.spectrum, alphas, distinct.n_units)
        rows = replace(distinct, X=ridge.features(distinct.X))
        return alphas, loo_errors(ridge.spectrum, alphas, rows)

    def _gammas(self, landmarks):
        if self.gamma is not None:
            return [float(self.gamma)]
        squares = pdist(landmarks, "sqeuclidean")
        squares = squares[squares > 0]
        if not len(squares):
            return []
        return [float(share / np.median(squares)) for share in _GAMMAS]

    def _map(self, X):
        mapped = self.linear_._map(X)
        if not len(self.landmarks_):
            return mapped
        for rows in gen_batches(len(X), _BATCH):
            scaled = (X[rows] - self.linear_.x_mean_) / self.scale_
            kernel = _kernel(scaled, self.landmarks_, self.gamma_)
            mapped[rows] += kernel @ self.dual_coef_
        return mapped.astype(X.dtype, copy=False)

    def _layers(self):
        (linear,) = layers_of(self.linear_)
        if not len(self.landmarks_):
            return (linear,)
        width = np.sqrt(self.gamma_)
        kernel = (
            affine(self.linear_.x_mean_, width / self.scale_),
            Kernel(np.clip(width * self.landmarks_, -FAR, FAR), "rbf"),
            affine(np.zeros(len(self.dual_coef_)), self.dual_coef_),
        )
        return (Sum(((linear,), (InFloat64(kernel),))),)

    def __sklearn_is_fitted__(self):
        return hasattr(self, "dual_coef_")
