"""Permutation two-sample tests that compute the kernel once."""

from numbers import Integral
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_random_state, gen_batches
from sklearn.utils._param_validation import validate_params

from skalign._validation import Interval
from skalign.metrics._kernels import (
    KERNEL_CONSTRAINTS,
    block_shape,
    make_kernel,
    negative_distance,
)
from skalign.metrics._permutations import PermutationTestResult, permutation_pvalue
from skalign.metrics._validation import SPACES, check_no_overflow, check_spaces

_ROUNDING = 1e-13


@validate_params(
    {
        **SPACES,
        **KERNEL_CONSTRAINTS,
        "n_permutations": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def mmd_test(
    X: ArrayLike,
    Y: ArrayLike,
    *,
    kernel: Literal["rbf", "laplacian", "polynomial", "linear"] = "rbf",
    gamma: float | ArrayLike | Literal["target"] | None = None,
    degree: int = 3,
    coef0: float = 1.0,
    n_permutations: int = 999,
    random_state: int | np.random.RandomState | None = None,
) -> Any:
    r"""Permutation test of equal distributions, based on `mmd`.

    Samples are randomly reassigned to the two sets :math:`B` times [1]_. With the
    biased `mmd` of the given sets, :math:`T_0`, and of the permuted ones, :math:`T_b`,
    the p-value is

    .. math::

        p = \frac{1 + \bigl| \bigl\{ b : T_b \ge T_0 \bigr\} \bigr|}{1 + B} .

    If both sets are independent samples of one distribution, the p-value is uniformly
    distributed. Read more in the :ref:`User Guide <two_sample_tests>`.

    Parameters
    ----------
    X, Y : array-like of shape (n_samples_x, n_features) and (n_samples_y, n_features)
        Source samples, in the target space, and target samples.
    kernel : {"rbf", "laplacian", "polynomial", "linear"}, default="rbf"
        Kernel, as in `mmd`.
    gamma : float, array-like of shape (n_kernels,) or "target", default=None
        Coefficient of the kernel, as in `mmd`. With "target" the two sets are not
        exchangeable, and the p-value may not be uniformly distributed.
    degree : int, default=3
        Degree of the polynomial kernel.
    coef0 : float, default=1.0
        Constant term of the polynomial kernel; not negative.
    n_permutations : int, default=999
        Number :math:`B` of permutations. The smallest possible p-value is ``1 /
        (n_permutations + 1)``.
    random_state : int, RandomState instance or None, default=None
        Generator of the permutations.

    Returns
    -------
    result : named tuple
        With `statistic`, ``mmd(X, Y, unbiased=False)``, `pvalue` and
        `null_distribution`.

    Raises
    ------
    ValueError
        As in `mmd`.

    See Also
    --------
    energy_test : Test without a kernel coefficient to choose.
    scipy.stats.permutation_test : Test of any statistic, which is recomputed for each
        permutation.

    Notes
    -----
    The kernel is computed once, in blocks, for all permutations. The assignment of the
    samples takes ``(n_samples_x + n_samples_y) * n_permutations`` bytes. All
    computations are in double precision.

    Sample weights are not supported. Under the null hypothesis, samples are
    exchangeable because all of them are drawn from one distribution; samples with
    different weights are not, and permutations do not reproduce their null
    distribution. To estimate the uncertainty of a weighted `mmd`, pass
    `bootstrap_interval` samples with their weight as an additional column.

    References
    ----------
    .. [1] A. Gretton, K. Borgwardt, M. Rasch, B. Schölkopf and A. Smola, "A kernel
       two-sample test", Journal of Machine Learning Research 13, 2012, pp. 723-773.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign.metrics import mmd_test
    >>> X, Y = np.random.default_rng(0).normal(size=(2, 100, 3))
    >>> print(f"{mmd_test(X, Y, random_state=0).pvalue:.2f}")
    0.55
    >>> print(f"{mmd_test(X, Y + 0.5, random_state=0).pvalue:.3f}")
    0.001
    """
    X, Y = check_spaces(X, Y)
    function = make_kernel(kernel, X, Y, gamma=gamma, degree=degree, coef0=coef0)
    squares, rounding = _permuted(function, X, Y, n_permutations, random_state)
    return _result(squares, rounding)


@validate_params(
    {
        **SPACES,
        "n_permutations": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def energy_test(
    X: ArrayLike,
    Y: ArrayLike,
    *,
    n_permutations: int = 999,
    random_state: int | np.random.RandomState | None = None,
) -> Any:
    r"""Permutation test of equal distributions, based on `energy_distance`.

    Samples are randomly reassigned to the two sets :math:`B` times [1]_. With the
    energy distance of the given sets, :math:`T_0`, and of the permuted ones,
    :math:`T_b`, the p-value is

    .. math::

        p = \frac{1 + \bigl| \bigl\{ b : T_b \ge T_0 \bigr\} \bigr|}{1 + B} .

    If both sets are independent samples of one distribution, the p-value is uniformly
    distributed. Read more in the :ref:`User Guide <two_sample_tests>`.

    Parameters
    ----------
    X, Y : array-like of shape (n_samples_x, n_features) and (n_samples_y, n_features)
        Source samples, in the target space, and target samples.
    n_permutations : int, default=999
        Number :math:`B` of permutations. The smallest possible p-value is ``1 /
        (n_permutations + 1)``.
    random_state : int, RandomState instance or None, default=None
        Generator of the permutations.

    Returns
    -------
    result : named tuple
        With `statistic`, ``energy_distance(X, Y)``, `pvalue` and `null_distribution`.

    Raises
    ------
    ValueError
        As in `energy_distance`.

    See Also
    --------
    mmd_test : Test with a choice of kernels, at the same cost.

    Notes
    -----
    Sample weights are not supported, for the reason given in `mmd_test`.

    References
    ----------
    .. [1] G. J. Székely and M. L. Rizzo, "Energy statistics: a class of statistics
       based on distances", Journal of Statistical Planning and Inference 143(8), 2013,
       pp. 1249-1272: section 4.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign.metrics import energy_test
    >>> X, Y = np.random.default_rng(0).normal(size=(2, 100, 3))
    >>> print(f"{energy_test(X, Y, random_state=0).pvalue:.2f}")
    0.75
    >>> print(f"{energy_test(X, Y + 0.5, random_state=0).pvalue:.3f}")
    0.001
    """
    X, Y = check_spaces(X, Y)
    squares, rounding = _permuted(negative_distance, X, Y, n_permutations, random_state)
    return _result(squares, rounding, transform=np.sqrt)


def _permuted(kernel, X, Y, n_permutations, random_state):
    """Return squared distances of kernel means, beginning with that of `X` and `Y`.

    Returns
    -------
    squares : ndarray of shape (1 + n_permutations,)
    rounding : float
        Bound of the rounding error of their differences.
    """
    random_state = check_random_state(random_state)
    n, m = len(X), len(Y)
    in_x = np.zeros((n + m, 1 + n_permutations), dtype=bool)
    in_x[:n, 0] = True
    for permutation in range(1, 1 + n_permutations):
        in_x[random_state.permutation(n + m)[:n], permutation] = True
    rows_of_both = np.concatenate([X, Y]).astype(np.float64)

    def weigh(rows):
        return np.where(in_x[rows], 1 / n, -1 / m)

    squares, largest = 0.0, 0.0
    n_rows, n_others = block_shape()
    with np.errstate(over="ignore", invalid="ignore"):
        for rows in gen_batches(n + m, n_rows):
            block, weights = kernel(rows_of_both[rows], rows_of_both[rows]), weigh(rows)
            sums, largest = block @ weights, max(largest, np.abs(block).max())
            for start in range(rows.stop, n + m, n_others):
                others = slice(start, start + n_others)
                block = kernel(rows_of_both[rows], rows_of_both[others])
                sums += 2 * (block @ weigh(others))
                largest = max(largest, np.abs(block).max())
            squares += np.einsum("ij,ij->j", weights, sums)
    check_no_overflow(squares.sum(), X.dtype)
    return np.maximum(squares, 0), _ROUNDING * largest


def _result(squares, rounding, transform=np.asarray):
    """Compare the first of the squared distances with the others."""
    pvalue, statistics = permutation_pvalue(squares, rounding), transform(squares)
    return PermutationTestResult(float(statistics[0]), pvalue, statistics[1:])
