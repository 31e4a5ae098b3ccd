"""Ridge regression in principal axes, and the errors that choose its strength."""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from scipy.linalg import svd
from sklearn.utils._array_api import _average

from skalign._arrays import beside, dtype_name, floats, namespace, to_numpy
from skalign.moments import (
    check_scale,
    rounding_of_columns,
    storage_precision,
    sums_of_squares,
    truncated_eigh,
    truncated_svd,
)
from skalign.paired._distinct import MIN_FREE_SHARE


@dataclass
class Spectrum:
    """A least-squares problem in the principal axes of the source rows.

    With centred rows ``X = P @ axes.T``: ``eigenvalues`` (r,) are the squared column
    norms of `P`, ``axes`` (n_features, r) are orthonormal, ``cross`` (r, n_targets) is
    ``P.T @ y`` and ``y2`` (n_targets,) the squared column norms of `y`. ``n_pairs`` is
    the number of distinct pairs, and ``axes_error`` is the sine of the angle by which
    rounding may have turned the axes.
    """

    eigenvalues: np.ndarray
    axes: np.ndarray
    cross: np.ndarray
    y2: np.ndarray
    x_mean: np.ndarray
    y_mean: np.ndarray
    weight: float
    n_pairs: float
    fit_intercept: bool
    x_precision: np.ndarray
    y_precision: np.ndarray
    axes_error: float
    _directions: tuple | None = field(default=None, repr=False)

    @classmethod
    def from_moments(cls, moments, n_pairs, fit_intercept, prior=None):
        """Take the sums of pairs, or of what a prior (`Affine`) leaves of targets."""
        xx, xy, y2 = moments.xx, moments.xy, moments.y2
        x_mean, y_mean = moments.x_mean, moments.y_mean
        if prior is not None:
            xy, y2, y_mean = prior.residual_sums(moments)
        if fit_intercept:
            eigenvalues, axes, cross = moments.principal_axes
            if prior is not None:
                cross = axes.T @ xy
        else:
            xx = xx + moments.weight * np.outer(x_mean, x_mean)
            xy = xy + moments.weight * np.outer(x_mean, y_mean)
            y2 = y2 + moments.weight * y_mean**2
            x_mean, y_mean = np.zeros_like(x_mean), np.zeros_like(y_mean)
            rounding, precision = moments.rounding(), moments.precision
            eigenvalues, axes = truncated_eigh(xx, rounding, precision)
            cross = axes.T @ xy
        return cls(
            eigenvalues,
            axes,
            cross,
            y2,
            x_mean,
            y_mean,
            moments.weight,
            n_pairs,
            fit_intercept,
            moments.x_precision,
            moments.y_precision,
            len(xx) * moments.precision * _ratio(eigenvalues),
        )

    @classmethod
    def from_rows(cls, X, y, sample_weight, n_pairs, fit_intercept):
        rounding = rounding_of_columns(X, sample_weight)
        precision = storage_precision(X), storage_precision(y)
        n_samples, xp = X.shape[0], namespace(X)
        weight = float(n_samples if sample_weight is None else sample_weight.sum())
        sides, means = [], []
        for name, rows in (("X", X), ("y", y)):
            rows = xp.asarray(rows, dtype=floats(rows)[0], copy=True)
            means.append(np.zeros(rows.shape[1]))
            if fit_intercept:
                mean = _mean(rows, sample_weight)
                means[-1] = to_numpy(mean)
                rows -= mean
                if name == "X":
                    rows -= _mean(rows, sample_weight)  # what rounding left
            if sample_weight is not None:
                rows *= beside(np.sqrt(sample_weight), rows)[:, None]
            largest = to_numpy(xp.max(xp.abs(rows), axis=0))
            check_scale(largest, dtype_name(rows), name)
            sides.append(rows)
        X, y = sides
        U, s, Vt = truncated_svd(X, rounding)
        cross = to_numpy(U.T @ y)
        s, Vt = to_numpy(s), to_numpy(Vt)
        return cls(
            s**2,
            Vt.T,
            s[:, None] * cross,
            to_numpy(sums_of_squares(y)),
            *means,
            weight,
            n_pairs,
            fit_intercept,
            *precision,
            4 * np.sqrt(min(X.shape)) * np.finfo(np.float64).eps * _ratio(s),
        )

    def condition(self, alpha):
        """Condition number of the system that is solved for `alpha`."""
        if len(self.eigenvalues) == 0:
            return np.inf
        full_rank = len(self.eigenvalues) == len(self.axes)
        smallest = (self.eigenvalues.min() if full_rank else 0.0) + alpha
        return (self.eigenvalues.max() + alpha) / smallest if smallest else np.inf

    def is_resolved(self):
        """Whether rounding of large columns is below the axes of small ones."""
        # At full rank the columns do not compete, and each keeps its own digits.
        share = np.finfo(np.float64).eps ** 2 * self.eigenvalues.max(initial=0.0)
        full_rank = len(self.eigenvalues) == len(self.axes)
        return full_rank or bool(np.all(self.eigenvalues >= share))

    def degrees_of_freedom(self, alpha):
        """Number of parameters in use, for one `alpha` or a column of several."""
        shrunk = self.eigenvalues / (self.eigenvalues + alpha)
        return shrunk.sum(axis=-1) + self.fit_intercept

    @cached_property
    def explained(self):
        """Sum of squares along each axis, per target; (n_axes, n_targets)"""
        # The square of the product itself may overflow.
        return (self.cross / np.sqrt(self.eigenvalues)[:, None]) ** 2

    def unreachable(self):
        """Weighted sum of squares that no strength explains, per target."""
        if self.n_pairs <= len(self.eigenvalues) + self.fit_intercept:
            return np.zeros_like(self.y2)  # the sums leave their rounding
        return np.maximum(self.y2 - self.explained.sum(axis=0), 0)

    def directions(self, alpha):
        """Orthonormal directions of the fitted values, the largest first, as rows.

        Computed once for the last `alpha`, so that several ranks share them.
        """
        if self._directions is None or self._directions[0] != alpha:
            fitted = self.cross / np.sqrt(self.eigenvalues + alpha)[:, None]
            _, _, Vt = svd(fitted, full_matrices=False, check_finite=False)
            self._directions = alpha, Vt
        return self._directions[1]

    def kept_back(self, alpha):
        """Share of the sum of squares along each axis that `alpha` leaves."""
        return (alpha / (self.eigenvalues + alpha)) ** 2

    def residual(self, alpha):
        """Weighted sum of squares of the residuals, per target."""
        return self.unreachable() + self.kept_back(alpha) @ self.explained


def _mean(rows, weight):
    """Return the weighted mean of each column."""
    weight = None if weight is None else beside(weight, rows)
    return _average(rows, axis=0, weights=weight, xp=namespace(rows))


def _ratio(values):
    """Largest of falling values over the smallest."""
    return values[0] / values[-1] if len(values) else 0.0


def default_alphas(spectrum):
    """41 strengths over ten decades, in units of the largest eigenvalue."""
    largest = spectrum.eigenvalues.max(initial=0.0)
    return (largest if largest > 0 else 1.0) * np.logspace(-9, 1, 41)


def gcv_errors(spectrum, alphas, n_units):
    """Generalised cross-validation error of each strength (Golub, Heath and Wahba).

    Degrees of freedom are a share of `n_units` independent samples. Strengths that
    leave less than a share of 1e-4 of them free count as infinite.
    """
    explained = spectrum.explained.sum(axis=1)
    unreachable = float(spectrum.unreachable().sum())
    strengths, errors = np.asarray(alphas)[:, None], np.full(len(alphas), np.inf)
    free = 1 - spectrum.degrees_of_freedom(strengths) / n_units
    residual = unreachable + spectrum.kept_back(strengths) @ explained
    enough = free >= MIN_FREE_SHARE
    errors[enough] = residual[enough] / spectrum.weight / free[enough] ** 2
    return errors


def loo_errors(spectrum, alphas, distinct):
    """Leave-one-out error of each strength, exact; all near copies leave together.

    An error counts by the weight of its group, but no more than by the squared mean of
    the square roots: one sample that occurs 50 times must not decide alone.
    """
    X, y, groups = to_numpy(distinct.X), to_numpy(distinct.y), distinct.groups
    P = (X - spectrum.x_mean.astype(X.dtype)) @ spectrum.axes.astype(X.dtype)
    y = y - spectrum.y_mean.astype(y.dtype)
    intercept = 1 / spectrum.weight if spectrum.fit_intercept else 0.0
    P2, errors = P.astype(np.float64) ** 2, np.full(len(alphas), np.inf)
    by_group = np.bincount(groups, weights=distinct.weight)
    cap = np.mean(np.sqrt(by_group)) ** 2 if distinct.capped else np.inf
    counted = distinct.weight * np.minimum(1, cap / by_group)[groups]
    for i, alpha in enumerate(alphas):
        curvature = spectrum.eigenvalues + alpha
        coef = (spectrum.cross / curvature[:, None]).astype(P.dtype)
        squares = distinct.left_out_squares(
            y - P @ coef, P, intercept + P2 @ (1 / curvature), curvature, intercept
        )
        # Where rounding hides how errors change, the smallest of them is chance.
        if not np.isnan(squares).any():
            errors[i] = counted @ squares / counted.sum()
    return errors
