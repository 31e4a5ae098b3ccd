"""Linear map between paired spaces, by ridge regression."""

from numbers import Integral, Real
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, _fit_context, clone
from sklearn.utils import assert_all_finite
from sklearn.utils._param_validation import HasMethods, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_scalar

from skalign._aligner import AffineMixin, PairedMixin
from skalign._arrays import (
    as_dtype,
    beside,
    dtype_name,
    floats,
    namespace,
    settle,
    to_numpy,
)
from skalign._dask import lazy
from skalign._determined import warn_of_fit
from skalign._rescale import power_of, times_power
from skalign._validation import Interval, check_numbers, check_pairs
from skalign.moments import (
    PairStreamingMixin,
    rounding_of_rows,
)
from skalign.paired._distinct import MIN_FREE_SHARE, Distinct
from skalign.paired._prior import Affine, cross_fit, is_unfitted
from skalign.paired._ridge import Spectrum, default_alphas, gcv_errors, loo_errors
from skalign.paired._shared import Shared


def _slope_variance(spectrum, alpha, coef, noise_variance):
    """Mean square of a target's true slopes, by the method of moments.

    At least the one that `alpha` stands for, as a prior, at that target's noise.
    """
    shrunk = spectrum.eigenvalues / (spectrum.eigenvalues + alpha)
    from_noise = (shrunk / (spectrum.eigenvalues + alpha)).sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        slopes = (coef**2).sum(axis=0) - noise_variance * from_noise
        return np.fmax(slopes / (shrunk**2).sum(), noise_variance / alpha)


def _outer(factors, variances):
    """Products of all pairs; 0 times infinity is 0."""
    xp, factors = namespace(factors), factors[:, None]
    with np.errstate(invalid="ignore"):
        products = factors * variances
    return xp.where(factors == 0, xp.zeros_like(products), products)


def _knows_std(self):
    if is_unfitted(self.prior):
        raise AttributeError(
            "predict_std does not know the uncertainty of a prior that is fitted on "
            "the same pairs. Use prior=None, 'identity', or a fitted aligner."
        )
    return True


class LinearAligner(PairStreamingMixin, PairedMixin, AffineMixin, BaseEstimator):
    r"""Linear map between paired spaces by ridge regression.

    The map minimises

    .. math::
        \sum_i w_i \lVert x_i T + t - y_i \rVert^2 + \alpha \lVert T \rVert_F^2 .

    By default the penalty :math:`\alpha` is chosen from the training pairs, at the cost
    of one factorisation. The map is therefore accurate even if the number of pairs is
    close to the number of features, for which the error of least squares is largest.
    Read more in the :ref:`User Guide <paired>`.

    Parameters
    ----------
    alpha : float or {"gcv", "loo"}, default="gcv"
        Weight of the penalty ``||coef_||**2``, in squared units of `X`; not negative. 0
        is least squares, with minimum norm if the solution is not unique. "gcv" selects
        the weight with the lowest generalised cross-validation error [1]_, which is
        computed from sums over samples. "loo" selects the weight with the lowest exact
        leave-one-out error. Both count copies of a pair once, and do not depend on the
        unit of sample weights. If there are fewer distinct samples than twice the
        number of features, samples with equal or nearly equal `X` are left out
        together, and "gcv" uses the error of "loo" if there are any, or if weights
        differ.

    prior : {"identity"}, aligner or None, default=None
        Map to shrink towards. None is the mean of the target. "identity" needs equal
        widths, with columns of the same meaning: two instruments, or two versions of a
        model. A fitted aligner is used as it is, such as last year's map. An aligner
        that is not fitted, such as ``RigidAligner()``, is fitted on the same pairs; the
        weight of the penalty is chosen on cross-fitted residuals. It must be an affine
        map. The difference between `y` and the result of the prior is regressed: `rank`
        and `alpha_errors_` are those of this correction.

    fit_intercept : bool, default=True
        Whether to learn a translation. It is not penalised.

    rank : int, default=None
        Maximum rank of the map, at most ``min(n_features, n_targets)``. Reduced-rank
        regression [2]_ [3]_ keeps the directions of the target that explain most of
        the fitted values. None does not restrict the rank.

    alphas : array-like of shape (n_strengths,), default=None
        Weights that "gcv" and "loo" select from, not negative. None is a grid of 41
        values over ten decades, from 1e-9 to 10 times the largest eigenvalue of the
        centred Gram matrix ``X.T @ X``.

    solver : {"auto", "moments", "svd"}, default="auto"
        Algorithm. "moments" solves from sums over samples; it is fast and supports
        `partial_fit`. It raises an error if sums are not accurate enough: if there are
        fewer samples than features, or if the condition number of the system exceeds
        ``eps ** (-2 / 3)`` for the precision of the input (2.7e10 for float64, 4.1e4
        for float32). "svd" factorises the samples in float64. "auto" uses "moments" if
        it is accurate, else "svd". `partial_fit` and `merge` always solve from the
        sums.

    Attributes
    ----------
    coef_ : ndarray of shape (n_features, n_targets)
        Map from centred source samples to centred target samples.

    x_mean_, y_mean_ : ndarray of shape (n_features,) and (n_targets,)
        Weighted means of the training samples; 0 without an intercept.

    alpha_ : float
        Weight of the penalty used.

    alphas_, alpha_errors_ : ndarray of shape (n_strengths,) or None
        Weights tried, and their errors: mean squared errors over samples, summed over
        targets, infinite if too few degrees of freedom are left. None if `alpha` is a
        number.

    gcv_reliable_ : bool
        False if "gcv" selected from sums (`partial_fit`, `merge`, federated sums) over
        fewer samples than twice the number of features, for which a warning is raised.
        Sums do not show whether samples are repeated; if some are, the selected weight
        is too small.

    noise_variance_ : ndarray of shape (n_targets,)
        Residual variance of each target, infinite if no degrees of freedom are left.
        `fit` counts copies of a pair once.

    prior_ : {"identity"}, aligner or None
        Prior used; fitted, if it is an aligner.

    solver_ : {"moments", "svd"}
        Solver used.

    moments_ : Moments or None
        Sums over the training samples. None if there were fewer samples than features,
        or with ``solver="svd"``.

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
    RigidAligner : Rotation and translation, optionally with a scale.
    AnchoredAligner : Paired aligner fitted on a few selected pairs.

    References
    ----------
    .. [1] G. H. Golub, M. Heath and G. Wahba, "Generalized cross-validation as a
       method for choosing a good ridge parameter", Technometrics 21(2), 1979,
       pp. 215-223.

    .. [2] A. J. Izenman, "Reduced-rank regression for the multivariate linear model",
       Journal of Multivariate Analysis 5(2), 1975, pp. 248-264.

    .. [3] A. Mukherjee and J. Zhu, "Reduced rank ridge regression and its kernel
       extensions", Statistical Analysis and Data Mining 4(6), 2011, pp. 612-622.

    .. [4] G. Wahba, "Bayesian 'confidence intervals' for the cross-validated
       smoothing spline", Journal of the Royal Statistical Society B 45(1), 1983,
       pp. 133-150.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign import LinearAligner
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(50, 3))
    >>> y = X @ [[1, 0], [0, 2], [1, 1]] + 5
    >>> aligner = LinearAligner().fit(X, y)
    >>> aligner.transform([[1, 1, 1]]).round(4)
    array([[7., 8.]])
    """

    _parameter_constraints = {
        "alpha": [Interval(Real, 0, None, closed="left"), StrOptions({"gcv", "loo"})],
        "prior": [StrOptions({"identity"}), HasMethods(["fit", "transform"]), None],
        "fit_intercept": ["boolean"],
        "rank": [Interval(Integral, 1, None, closed="left"), None],
        "alphas": ["array-like", None],
        "solver": [StrOptions({"auto", "moments", "svd"})],
    }

    def __init__(
        self,
        alpha: float | Literal["gcv", "loo"] = "gcv",
        *,
        prior: Any = None,
        fit_intercept: bool = True,
        rank: int | None = None,
        alphas: ArrayLike | None = None,
        solver: Literal["auto", "moments", "svd"] = "auto",
    ) -> None:
        self.alpha = alpha
        self.prior = prior
        self.fit_intercept = fit_intercept
        self.rank = rank
        self.alphas = alphas
        self.solver = solver

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
            not finite, `rank` or `alphas` is out of range, no weight of the penalty
            leaves degrees of freedom, the prior does not fit the data or is not affine,
            ``solver="moments"`` would not be accurate, or,
            with ``alpha=0``, features are linearly dependent and 1e15 times as large as
            others.
        """
        return self._fit_with_sums(X, y, sample_weight)

    def _fit_with_sums(self, X, y, sample_weight, shared=None):
        moments = None if shared is None else shared.moments
        if shared is None or self.prior is not None:
            shared = Shared()
        X, y, sample_weight = check_pairs(
            self, X, y, sample_weight=sample_weight, ensure_all_finite=False
        )
        self.prior_, self._choice = self.prior, None
        if is_unfitted(self.prior):
            self.prior_, held_out = cross_fit(self.prior, X, y, sample_weight)
            choice = clone(self).set_params(prior=None, rank=None)
            self._choice = choice.fit(X, held_out, sample_weight)
        few = X.shape[0] < X.shape[1]
        if few and self.solver == "moments":
            raise ValueError(
                f"solver='moments' needs at least as many samples as features; X has "
                f"shape {tuple(X.shape)}. Use solver='auto', which takes the SVD in "
                "this case."
            )
        if not few and self.solver != "svd":
            self.moments_ = self._sum(X, y, sample_weight, moments)
            left_over = self._left_over(X, y)
            distinct = Distinct.once(shared, X, left_over, sample_weight)
            self._learn(self.moments_, distinct, shared)
            if self._sums_suffice:
                return settle(self, X)
            if self.solver == "moments":
                raise ValueError(
                    f"solver='moments' is not accurate here: the condition number "
                    f"{self._condition:.1e} of X.T @ X + alpha * I at "
                    f"alpha={self.alpha_:.1e} is above {self._limit:.1e}. Use "
                    "solver='auto', which takes the SVD in this case."
                )
        else:
            self.moments_, self._dtype = None, dtype_name(X)
            assert_all_finite(X, input_name="X")
            left_over = self._left_over(X, y)
            distinct = Distinct.once(shared, X, left_over, sample_weight)
        self.solver_ = "svd"
        spectrum = shared.once(
            lambda: Spectrum.from_rows(
                X, left_over, sample_weight, distinct.n_pairs, self.fit_intercept
            ),
            *("spectrum of samples", self.fit_intercept),
        )
        self._finish(spectrum, distinct)
        return settle(self, X)

    def __sklearn_clone__(self):
        # A clone of a fitted prior would be another prior, fitted on the new pairs.
        cloned = super().__sklearn_clone__()
        if not is_unfitted(self.prior):
            cloned.prior = self.prior
        return cloned

    @available_if(_knows_std)
    @lazy
    def predict_std(self, X: ArrayLike, *, include_noise: bool = True) -> np.ndarray:
        """Standard deviations of the predicted target samples.

        The variance is the sum of two parts: the noise of the training targets in the
        fitted coefficients, and the bias of the penalty (Wahba, 1983), for which the
        mean square of the true coefficients is estimated for each target. It is small
        near the training samples and grows with the distance from them. For Gaussian
        targets, the interval of `predict` plus or minus 1.96 standard deviations
        contains 95 % of them.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Samples in the source space.
        include_noise : bool, default=True
            Whether to include the noise of a new target sample, or only the uncertainty
            of the map.

        Returns
        -------
        std : ndarray of shape (n_samples, n_targets) or (n_samples,)
            Standard deviations in units of the target, of the same shape as the result
            of `predict`; not negative. They are infinite if no degrees of freedom are
            left to estimate the noise, or, with ``alpha_ == 0``, for samples that
            differ from the mean in a direction in which the training samples do not
            vary.

        Raises
        ------
        TypeError
            If `include_noise` is not a boolean.
        ValueError
            If the number of features differs from that in `fit`, or a value is not
            finite.
        """
        check_scalar(include_noise, "include_noise", (bool, np.bool_))
        X = self._check_source(X, "predict_std")
        xp, axes = namespace(X), self._axes
        centred = X - as_dtype(self.x_mean_, floats(X)[0])
        power = np.maximum(power_of(centred, axis=1), 0)  # squares may overflow
        rounding = rounding_of_rows(X, to_numpy(self._precision))
        rounding = beside(np.ldexp(rounding, -power[:, 0]), X)
        centred = times_power(centred, -power)
        along = centred @ axes
        off = xp.zeros_like(centred[:, 0])
        if axes.shape[0] > axes.shape[1]:
            beyond = centred - along @ axes.T
            squares = xp.vecdot(centred, centred)
            least = xp.maximum(rounding**2, self._axes_error**2 * squares)
            off = xp.vecdot(beyond, beyond)
            off = xp.where(off <= least, xp.zeros_like(off), off)
        along /= self._curvature
        by_noise = along**2 @ (self._curvature - self.alpha_)
        by_shrinkage = self.alpha_**2 * xp.vecdot(along, along) + off
        variance = _outer(by_noise, self._map_variance)
        if self.alpha_ > 0:
            variance += _outer(by_shrinkage, self._slope_variance)
        else:
            away = off[:, None] > 0
            variance = xp.where(away, xp.full_like(variance, np.inf), variance)
        noise = xp.zeros_like(self.noise_variance_)
        if share := include_noise + self.fit_intercept / self._weight:
            noise = share * self.noise_variance_
        std = xp.hypot(times_power(xp.sqrt(variance), power), xp.sqrt(noise))
        return std[:, 0] if self._y_ndim == 1 else std

    @property
    def _streams(self):
        if self.alpha == "loo" or self.solver == "svd":
            raise AttributeError(
                f"alpha={self.alpha!r} with solver={self.solver!r} needs all samples "
                "at once; alpha='gcv' or a number, with solver='auto' or 'moments', "
                "does not."
            )
        if is_unfitted(self.prior):
            raise AttributeError(
                "A prior that is fitted on the same pairs needs all samples at once; "
                "prior=None, 'identity' or a fitted aligner does not."
            )
        return True

    def _affine_prior(self):
        """Return the prior as a map; None without."""
        if self.prior_ is None:
            return None
        return Affine.of(
            self.prior_,
            self.n_features_in_,
            self.n_targets_,
            getattr(self, "feature_names_in_", None),
        )

    def _left_over(self, X, y):
        """Return what the prior leaves of the targets."""
        prior = self._affine_prior()
        return y if prior is None else prior.residual(X, y)

    def _needed(self, n_features, n_targets):
        return ("xx", "xy", "y2")

    def _learn(self, moments, distinct=None, shared=None):
        self.solver_, shared = "moments", shared or Shared()
        if distinct is None:
            self.prior_, self._choice = self.prior, None
        n_pairs = moments.n_samples if distinct is None else distinct.n_pairs
        spectrum = shared.once(
            lambda: Spectrum.from_moments(
                moments, n_pairs, self.fit_intercept, self._affine_prior()
            ),
            *("spectrum of sums", self.fit_intercept),
        )
        self._finish(spectrum, distinct)
        enough = 2 * self.n_features_in_
        if distinct is None and self.alpha == "gcv" and moments.n_samples < enough:
            self.gcv_reliable_ = False
            warn_of_fit(
                f"'gcv' selected alpha_={self.alpha_:.3g} from sums over "
                f"{moments.n_samples} samples, fewer than twice the "
                f"{self.n_features_in_} features. Sums do not show whether samples are "
                "repeated; if some are, alpha_ is too small. Add samples, use fit with "
                "all of them at once, or set alpha to a number."
            )

    @property
    def _limit(self):
        """Condition number up to which sums are accurate enough."""
        return np.finfo(self._dtype).eps ** (-2 / 3)

    @property
    def _sums_suffice(self):
        return bool(self.gcv_reliable_ and self._condition <= self._limit)

    @property
    def _sums_decide(self):
        return not isinstance(self.alpha, str)

    def _finish(self, spectrum, distinct):
        """Choose the strength, and set the map.

        Without the rows (`distinct` is None) each row is taken to be a sample.
        """
        self.gcv_reliable_ = True
        alpha = self._choose_alpha(spectrum, distinct)
        if alpha == 0 and not spectrum.is_resolved():
            raise ValueError(
                "Features of X are linearly dependent and differ in size by a factor "
                "above 1e15, so that rounding determines the map of minimum norm. "
                "Scale them (StandardScaler), or set alpha > 0."
            )
        curvature = spectrum.eigenvalues + alpha
        coef = spectrum.cross / curvature[:, None]
        residual, df = spectrum.residual(alpha), spectrum.degrees_of_freedom(alpha)
        leading = None
        if self.rank is not None:
            if self.rank > (limit := min(self.n_features_in_, self.n_targets_)):
                raise ValueError(
                    f"rank={self.rank} must be at most min(n_features, n_targets)="
                    f"{limit}."
                )
            # Of the fitted values (Sec. 2 of [3]_), not of the map: truncating the
            # singular values of the map ignores how the samples spread.
            leading = spectrum.directions(alpha)[: self.rank]
            factor = coef @ leading.T
            coef = factor @ leading
            twice = 2 * spectrum.cross - spectrum.eigenvalues[:, None] * coef
            residual = spectrum.y2 - np.einsum("ij,ij->j", twice, coef)
            slopes = df - self.fit_intercept
            df = self.fit_intercept + slopes * np.sum(leading**2, axis=0)
            full_coef = (spectrum.axes @ factor) @ leading
        else:
            full_coef = spectrum.axes @ coef
        self.alpha_ = alpha
        self._precision = spectrum.x_precision
        y_mean = spectrum.y_mean
        if (prior := self._affine_prior()) is not None:
            full_coef += prior.coef
            y_mean = y_mean + spectrum.x_mean @ prior.coef + prior.offset
        self._set_map(
            full_coef, spectrum.x_mean, y_mean, self._dtype, spectrum.y_precision
        )
        n_pairs = spectrum.n_pairs
        free = np.broadcast_to(n_pairs - df, residual.shape)
        self.noise_variance_ = np.full(residual.shape, np.inf)
        np.divide(
            np.maximum(residual, 0) * (n_pairs / spectrum.weight),
            free,
            out=self.noise_variance_,
            where=free > MIN_FREE_SHARE * n_pairs,
        )
        self._slope_variance = _slope_variance(
            spectrum, alpha, coef, self.noise_variance_
        )
        self._map_variance = self.noise_variance_
        if leading is not None:
            self._map_variance = (leading.T @ leading) ** 2 @ self.noise_variance_
        self._axes, self._curvature = spectrum.axes, curvature
        self._axes_error = spectrum.axes_error
        self._weight, self._condition = spectrum.weight, spectrum.condition(alpha)

    def _choose_alpha(self, spectrum, distinct):
        self.alphas_ = self.alpha_errors_ = None
        if self._choice is not None:
            self.alphas_ = self._choice.alphas_
            self.alpha_errors_ = self._choice.alpha_errors_
            return self._choice.alpha_
        if not isinstance(self.alpha, str):
            return float(self.alpha)
        if self.alphas is None:
            self.alphas_ = default_alphas(spectrum)
        else:
            self.alphas_ = check_numbers(self.alphas, "alphas")
        n_units = self.moments_.n_samples if distinct is None else distinct.n_units
        if self.alpha == "gcv" and (distinct is None or distinct.even):
            self.alpha_errors_ = gcv_errors(spectrum, self.alphas_, n_units)
        else:
            self.alpha_errors_ = loo_errors(spectrum, self.alphas_, distinct)
        best = int(np.argmin(self.alpha_errors_))
        if not np.isfinite(self.alpha_errors_[best]):
            raise ValueError(
                f"alpha={self.alpha!r} cannot select a weight of the penalty: none of "
                f"alphas leaves degrees of freedom in {n_units:.0f} distinct samples. "
                "Use more samples, larger alphas, or a number as alpha."
            )
        return float(self.alphas_[best])
