"""Maximum mean discrepancy: how far apart two sets are in the eyes of a kernel."""

from functools import partial
from numbers import Real

import numpy as np
from scipy.spatial.distance import pdist
from sklearn.utils import gen_batches, resample
from sklearn.utils._param_validation import Interval, StrOptions, validate_params

from skalign.metrics._validation import check_no_overflow, check_spaces

_BLOCK_SHAPE = 1024, 2048
_HEURISTIC_ROWS = 500


@validate_params(
    {
        "X": ["array-like"],
        "Y": ["array-like"],
        "gamma": [
            Interval(Real, 0, None, closed="neither"),
            "array-like",
            StrOptions({"target"}),
            None,
        ],
        "unbiased": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
def mmd(X, Y, *, gamma=None, unbiased=True):
    """Squared maximum mean discrepancy under a Gaussian kernel.

    The squared distance between the kernel means of two sets [1]_. With
    ``k(x, y) = exp(-gamma * |x - y|**2)`` it is zero only if both sets come from one
    distribution. Read more in the :ref:`User Guide <metrics>`.

    Parameters
    ----------
    X : array-like of shape (n_samples_x, n_features)
        Source rows, in the target space.
    Y : array-like of shape (n_samples_y, n_features)
        Target rows.
    gamma : float, array-like of shape (n_kernels,) or "target", default=None
        Strength of the kernel, in inverse squared units of the rows; positive. Several
        strengths stand for the mean of as many kernels. None takes the median
        heuristic [2]_: ``1 / median(|a - b|**2)`` over the pairs of unequal rows among
        500 rows of each set, always the same rows (1.0 if all rows are equal).
        "target" does so with rows of `Y` only. Values for several `X` then share one
        kernel and can be compared, which a search over aligners needs.
    unbiased : bool, default=True
        Whether to leave out the pairs of a row with itself. The value then is right on
        average, and can be negative; otherwise it is too large, by less than
        ``1 / n_samples_x + 1 / n_samples_y``.

    Returns
    -------
    mmd : float
        Without unit, at most 2. At least 0 if biased.

    Raises
    ------
    ValueError
        If a set is empty, has a single row where `unbiased`, or is not finite, the
        widths differ, or a `gamma` is not positive.

    See Also
    --------
    sliced_wasserstein_distance : In the unit of the rows, and without a kernel.
    sklearn.metrics.pairwise.rbf_kernel : The same kernel.

    Notes
    -----
    Costs ``(n_samples_x + n_samples_y)**2 / 2`` kernel values; a block of 1,024 by
    2,048 of them is held at a time. Products and exponentials run in the precision of
    the rows, sums in float64.

    References
    ----------
    .. [1] A. Gretton, K. Borgwardt, M. Rasch, B. Schölkopf and A. Smola, "A kernel
       two-sample test", Journal of Machine Learning Research 13, 2012, pp. 723-773:
       Eq. 3 (unbiased) and Eq. 5 (biased).
    .. [2] D. Garreau, W. Jitkrittum and M. Kanagawa, "Large sample analysis of the
       median heuristic", arXiv:1707.07269, 2017.

    Examples
    --------
    >>> from skalign.metrics import mmd
    >>> X, Y = [[0.0], [1.0], [2.0]], [[2.0], [3.0], [4.0], [5.0]]
    >>> print(f"{mmd(X, Y, gamma=0.5):.3f}")
    0.358
    >>> print(f"{mmd(X, X, gamma=0.5, unbiased=False):.3f}")
    0.000
    """
    X, Y = check_spaces(X, Y)
    if unbiased and min(len(X), len(Y)) < 2:
        raise ValueError(
            f"X has {len(X)} rows and Y has {len(Y)}: unbiased=True needs two of each."
        )
    kernel = partial(_gaussian, gammas=_check_gamma(gamma, X, Y))
    with np.errstate(over="ignore", invalid="ignore"):
        value = (
            _mean_within(kernel, X, unbiased)
            + _mean_within(kernel, Y, unbiased)
            - 2 * _sum_between(kernel, X, Y) / (len(X) * len(Y))
        )
    value = check_no_overflow(value, X.dtype)
    return value if unbiased else max(value, 0.0)  # rounding can pass 0


def _check_gamma(gamma, X, Y):
    """Return the strengths of the kernels, of shape (n_kernels,)."""
    if gamma is None:
        return np.array([_median_gamma(X, Y)])
    if isinstance(gamma, str):
        return np.array([_median_gamma(Y)])
    gammas = np.atleast_1d(np.asarray(gamma, dtype=np.float64))
    if (
        gammas.ndim != 1
        or not len(gammas)
        or not np.all((gammas > 0) & (gammas < np.inf))
    ):
        raise ValueError(f"gamma={gamma!r} must hold positive, finite numbers.")
    return gammas


def _median_gamma(*spaces):
    """Return one over the median squared distance of unequal rows."""
    rows = [
        resample(
            rows,
            replace=False,
            n_samples=min(len(rows), _HEURISTIC_ROWS),
            random_state=0,
        )
        for rows in spaces
    ]
    squares = pdist(np.concatenate(rows), "sqeuclidean")
    squares = squares[squares > 0]
    if not len(squares):
        return 1.0
    return 1.0 / check_no_overflow(np.median(squares), squares.dtype)


def _gaussian(A, B, gammas):
    """Return the mean of Gaussian kernels, of shape (len(A), len(B))."""
    scale = np.sqrt(2 * gammas[0]).astype(A.dtype)
    shift = B.mean(axis=0)  # far from the origin, squares would cancel
    A, B = scale * (A - shift), scale * (B - shift)
    half_a = np.einsum("ij,ij->i", A, A)[:, None] / 2
    half_b = np.einsum("ij,ij->i", B, B)[:, None] / 2
    # (a, |a|^2 / 2, 1) . (b, -1, -|b|^2 / 2) = -|a - b|^2 / 2: one product does it all.
    A = np.hstack([A, half_a, np.ones_like(half_a)])
    B = np.hstack([B, -np.ones_like(half_b), -half_b])
    exponent = A @ B.T
    if len(gammas) == 1:
        return np.exp(exponent, out=exponent)
    kernel = np.exp(exponent)
    for ratio in (gammas[1:] / gammas[0]).astype(A.dtype):
        kernel += np.exp(exponent * ratio)
    kernel /= len(gammas)
    return kernel


def _mean_within(kernel, X, unbiased):
    """Return the mean of the kernel over pairs of rows of `X`, each computed once."""
    n_samples, total = len(X), 0.0
    for rows in gen_batches(n_samples, _BLOCK_SHAPE[0]):
        block = kernel(X[rows], X[rows])
        total += block.sum(dtype=np.float64)
        if unbiased:
            total -= block.trace(dtype=np.float64)
        total += 2 * _sum_between(kernel, X[rows], X[rows.stop :])
    return total / (n_samples * (n_samples - 1 if unbiased else n_samples))


def _sum_between(kernel, X, Y):
    """Return the sum of the kernel over pairs of a row of `X` and one of `Y`."""
    n_rows, n_others = _BLOCK_SHAPE
    return sum(
        kernel(X[rows], Y[others]).sum(dtype=np.float64)
        for rows in gen_batches(len(X), n_rows)
        for others in gen_batches(len(Y), n_others)
    )
