"""Kernels between samples, and their blockwise means over pairs."""

import math
from functools import partial
from numbers import Integral, Real

import numpy as np
from scipy.spatial.distance import cdist, pdist
from sklearn import get_config
from sklearn.utils import gen_batches, resample
from sklearn.utils._param_validation import StrOptions

from skalign._arrays import namespace, to_numpy
from skalign._validation import Interval
from skalign.metrics._validation import check_no_overflow

_BLOCK_SHAPE = 1024, 2048
_HELD_BLOCKS = 3  # products, exponentials and a copy in double precision
_HEURISTIC_ROWS = 500

KERNEL_CONSTRAINTS = {
    "kernel": [StrOptions({"rbf", "linear", "polynomial", "laplacian"})],
    "gamma": [
        Interval(Real, 0, None, closed="neither"),
        "array-like",
        StrOptions({"target"}),
        None,
    ],
    "degree": [Interval(Integral, 1, None, closed="left")],
    "coef0": [Interval(Real, 0, None, closed="left")],
}


def make_kernel(kernel, X, Y, *, gamma=None, degree=3, coef0=1.0):
    """Return a function of `A` and `B` that gives an array (len(A), len(B)).

    A Laplacian kernel takes samples of NumPy only.

    Raises
    ------
    ValueError
        If `gamma` does not suit the kernel.
    """
    xp = namespace(X, Y)
    if kernel == "linear":
        if gamma is not None:
            raise ValueError(f"gamma={gamma!r} must be None: a linear kernel has none.")
        # Far from the origin, sums of products would cancel.
        return partial(_linear, origin=(xp.mean(X, axis=0) + xp.mean(Y, axis=0)) / 2)
    if kernel == "polynomial":
        gamma = 1 / X.shape[1] if gamma is None else gamma
        if not isinstance(gamma, Real):
            raise ValueError(f"gamma={gamma!r} of a polynomial must be one number.")
        return partial(_polynomial, gamma=gamma, degree=degree, coef0=coef0)
    function = _gaussian if kernel == "rbf" else _laplacian
    return partial(function, gammas=check_gamma(gamma, X, Y, kernel))


def check_gamma(gamma, X, Y, kernel="rbf"):
    """Return the coefficients of the kernels, of shape (n_kernels,)."""
    if gamma is None or isinstance(gamma, str):
        metric = "sqeuclidean" if kernel == "rbf" else "cityblock"
        spaces = (X, Y) if gamma is None else (Y,)
        return np.array([1 / median_distance(*spaces, metric=metric)])
    gammas = np.atleast_1d(np.asarray(gamma, dtype=np.float64))
    if (
        gammas.ndim != 1
        or not len(gammas)
        or not np.all((gammas > 0) & (gammas < np.inf))
    ):
        raise ValueError(f"gamma={gamma!r} must hold positive, finite numbers.")
    return gammas


def median_distance(*spaces, metric):
    """Return the median distance of unequal samples, from 500 of each space."""
    samples = []
    for rows in spaces:
        xp, n_samples = namespace(rows), rows.shape[0]
        drawn = resample(
            np.arange(n_samples),
            replace=False,
            n_samples=min(n_samples, _HEURISTIC_ROWS),
            random_state=0,
        )
        drawn = xp.asarray(drawn, device=rows.device)
        samples.append(to_numpy(xp.take(rows, drawn, axis=0)))
    distances = pdist(np.concatenate(samples), metric)
    distances = distances[distances > 0]
    if not len(distances):
        return 1.0
    return check_no_overflow(np.median(distances), distances.dtype)


def discrepancy(kernel, X, Y, a, b, *, unbiased=False, within_y=None):
    """Return the squared distance between the kernel means of weighted samples.

    Weights sum to one. If `unbiased`, pairs of a sample with itself are excluded.
    `within_y` is the mean of the kernel within `Y`, if it is known.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        if within_y is None:
            within_y = mean_within(kernel, Y, b, unbiased)
        value = (
            mean_within(kernel, X, a, unbiased)
            + within_y
            - 2 * sum_between(kernel, X, Y, a, b)
        )
    return check_no_overflow(value, X.dtype)


def gen_pairs(n, m):
    """Generate pairs of slices of `n` and of `m` samples that cover all pairs."""
    n_rows, n_others = block_shape()
    for rows in gen_batches(n, n_rows):
        for others in gen_batches(m, n_others):
            yield rows, others


def block_shape():
    """Return the numbers of samples of both sides in a block of pairs."""
    held = 8 * _HELD_BLOCKS * np.prod(_BLOCK_SHAPE)
    side = min(get_config()["working_memory"] * 2**20 / held, 1) ** 0.5
    return tuple(max(int(side * size), 1) for size in _BLOCK_SHAPE)


def negative_distance(A, B):
    """Return minus the Euclidean distances, in double precision."""
    center = B.mean(axis=0, dtype=np.float64)
    A, B = A - center, B - center
    exponent, half_a, half_b = _negative_half_squares(A, B)
    # Distances that cancelled to few digits are recomputed from differences.
    if exponent.max() > -1e-8 * (half_a.max() + half_b.max()):
        distances = cdist(A, B)
        return np.negative(distances, out=distances)
    exponent *= -2
    np.sqrt(exponent, out=exponent)
    return np.negative(exponent, out=exponent)


def _linear(A, B, origin):
    return (A - origin) @ (B - origin).T


def _polynomial(A, B, gamma, degree, coef0):
    """Return a power of products, of shape (len(A), len(B))."""
    products = (float(gamma) * A) @ B.T
    products += float(coef0)
    power = namespace(A).asarray(products, copy=True)
    for _ in range(degree - 1):  # numpy's own powers take many times as long
        power *= products
    return power


def _gaussian(A, B, gammas):
    """Return the mean of Gaussian kernels, of shape (len(A), len(B))."""
    scale = math.sqrt(2 * gammas[0])
    center = namespace(B).mean(B, axis=0)  # far from the origin, squares would cancel
    A, B = scale * (A - center), scale * (B - center)
    return _mean_of_powers(_negative_half_squares(A, B)[0], gammas)


def _laplacian(A, B, gammas):
    """Return the mean of Laplacian kernels, of shape (len(A), len(B))."""
    distances = cdist(A, B, "cityblock")
    distances *= -gammas[0]
    return _mean_of_powers(distances, gammas)


def _negative_half_squares(A, B):
    """Return ``-|a - b|**2 / 2`` of all pairs, and half the squares of both sides."""
    xp = namespace(A, B)
    half_a = xp.vecdot(A, A)[:, None] / 2
    half_b = xp.vecdot(B, B)[:, None] / 2
    # (a, |a|^2 / 2, 1) . (b, -1, -|b|^2 / 2) = -|a - b|^2 / 2: a single product.
    A = xp.concat([A, half_a, xp.ones_like(half_a)], axis=1)
    B = xp.concat([B, -xp.ones_like(half_b), -half_b], axis=1)
    return A @ B.T, half_a, half_b


def _mean_of_powers(exponent, gammas):
    """Return the mean exponential of exponents scaled by the first of `gammas`."""
    if len(gammas) == 1:
        return _exp(exponent)
    kernel = namespace(exponent).exp(exponent)
    for gamma in gammas[1:]:
        kernel += _exp(exponent * float(gamma / gammas[0]))
    kernel /= len(gammas)
    return kernel


def _exp(exponent):
    """Return exponentials, in place if the library supports it, to save time."""
    if isinstance(exponent, np.ndarray):
        return np.exp(exponent, out=exponent)
    return namespace(exponent).exp(exponent)


def mean_within(kernel, X, a, unbiased):
    """Return the weighted mean of the kernel over pairs, of weights that sum to one."""
    total = sum_within(kernel, X, a, unbiased)
    return total / (1 - a @ a) if unbiased else total


def sum_within(kernel, X, a, unbiased):
    """Return the weighted sum of the kernel over all pairs, each computed once."""
    xp, total = namespace(X), 0.0
    for rows in gen_batches(X.shape[0], block_shape()[0]):
        block, rest = kernel(X[rows, :], X[rows, :]), slice(rows.stop, None)
        total += a[rows] @ _weighted_sums(block, a[rows])
        if unbiased:
            own = xp.asarray(xp.linalg.diagonal(block), dtype=xp.float64)
            total -= a[rows] ** 2 @ own
        if rows.stop < X.shape[0]:
            total += 2 * sum_between(kernel, X[rows, :], X[rest, :], a[rows], a[rest])
    return total


def sum_between(kernel, X, Y, a, b):
    """Return the weighted sum of the kernel over pairs of samples of `X` and `Y`."""
    return sum(
        a[rows] @ _weighted_sums(kernel(X[rows, :], Y[others, :]), b[others])
        for rows, others in gen_pairs(X.shape[0], Y.shape[0])
    )


def _weighted_sums(block, weights):
    """Return ``block @ weights``; equal weights are exact in single precision."""
    xp = namespace(block, weights)
    largest = xp.max(weights)
    sums = block @ xp.asarray(weights / largest, dtype=block.dtype)
    return xp.asarray(sums, dtype=xp.float64) * largest
