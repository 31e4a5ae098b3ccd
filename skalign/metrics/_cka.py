"""Centred kernel alignment: do two representations agree on which rows are alike?"""

from functools import partial
from numbers import Real

import numpy as np
from sklearn.utils import gen_batches
from sklearn.utils._param_validation import StrOptions, validate_params

from skalign._arrays import namespace
from skalign._autocast import autocast_off
from skalign._parameters import Interval
from skalign.metrics._kernels import block_shape, gen_pairs, make_kernel
from skalign.metrics._procrustes import to_length_one
from skalign.metrics._validation import check_no_overflow, check_paired_rows


@validate_params(
    {
        "X": ["array-like"],
        "Y": ["array-like"],
        "kernel": [StrOptions({"linear", "rbf"})],
        "gamma": [Interval(Real, 0, None, closed="neither"), None],
        "debiased": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
@autocast_off()
def cka(X, Y, *, kernel="linear", gamma=None, debiased=False):
    """Centred kernel alignment of two representations of the same rows.

    The cosine between two matrices of similarities, both centred [1]_. Blind to
    rotation, shift and scale, and to what small directions hold. Read more in the
    :ref:`User Guide <similarities>`.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features_x)
        One representation.
    Y : array-like of shape (n_samples, n_features_y)
        Another one of the same rows, of any width.
    kernel : {"linear", "rbf"}, default="linear"
        How similarities are taken.
    gamma : float, default=None
        Strength of "rbf", for both sides. None is one over the median squared distance
        of the rows of each side, as in `mmd`.
    debiased : bool, default=False
        Whether to leave out the similarity of a row with itself, and what it does to
        the centring [2]_. The value then is 0 on average between unrelated sets,
        however wide, where otherwise it nears 1 with as many columns as rows.

    Returns
    -------
    similarity : float
        From 0 to 1, debiased from -1; 1 for equal sets. 0 where all rows of one side
        are equal.

    Raises
    ------
    ValueError
        If a set is empty or not finite, the lengths differ, `debiased` with fewer than
        4 rows, or `gamma` is given for "linear".

    See Also
    --------
    rv_coefficient : The linear value, and another correction of it.
    cca_similarity : Where small directions count as much as large ones.

    Notes
    -----
    "linear" costs ``n_samples * n_features**2``, or ``n_samples**2 * n_features`` for
    rows wider than many; "rbf" three sums over ``n_samples**2`` pairs of kernel values,
    held in blocks as in `mmd`.

    References
    ----------
    .. [1] S. Kornblith, M. Norouzi, H. Lee and G. Hinton, "Similarity of neural network
       representations revisited", ICML 2019: Eq. 3 to 5.
    .. [2] L. Song, A. Smola, A. Gretton, J. Bedo and K. Borgwardt, "Feature selection
       via dependence maximization", JMLR 13, 2012: Eq. 5.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign.metrics import cka
    >>> X, Y = np.random.default_rng(0).normal(size=(2, 50, 30))
    >>> print(f"{cka(X, X @ np.diag([2] + [1] * 29)):.2f}")
    0.93
    >>> print(f"{cka(X, Y):.2f} {cka(X, Y, debiased=True):.2f}")
    0.41 0.07
    """
    X, Y = check_paired_rows(X, Y, any_library=True)
    if debiased and X.shape[0] < 4:
        raise ValueError(f"X and Y have {X.shape[0]} rows: debiased=True needs 4.")
    if kernel == "linear":
        if gamma is not None:
            raise ValueError(f"gamma={gamma!r}, but a linear kernel has none.")
        dependence = partial(_linear_dependence, debiased=debiased)
        sides = to_length_one(X), to_length_one(Y)
    else:
        dependence = partial(_dependence, debiased=debiased)
        sides = tuple((A, make_kernel(kernel, A, A, gamma=gamma)) for A in (X, Y))
    x, y = sides
    with np.errstate(over="ignore", invalid="ignore"):
        return cosine_of(dependence(x, y), dependence(x, x), dependence(y, y), X.dtype)


@validate_params(
    {"X": ["array-like"], "Y": ["array-like"], "modified": ["boolean"]},
    prefer_skip_nested_validation=True,
)
@autocast_off()
def rv_coefficient(X, Y, *, modified=False):
    """RV coefficient: the squared correlation, of matrices.

    A cosine between the matrices of products of centred rows [1]_, the same as linear
    `cka`. Read more in the :ref:`User Guide <similarities>`.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features_x)
        One representation.
    Y : array-like of shape (n_samples, n_features_y)
        Another one of the same rows, of any width.
    modified : bool, default=False
        Whether to leave out the products of a row with itself [2]_, which makes it
        near 0 between unrelated sets that are wide. Unlike `cka` debiased, the means
        are not corrected for.

    Returns
    -------
    similarity : float
        From 0 to 1, modified from -1. 0 where all rows of one side are equal.

    Raises
    ------
    ValueError
        If a set is empty or not finite, or the lengths differ.

    See Also
    --------
    cka : With kernels.

    References
    ----------
    .. [1] P. Robert and Y. Escoufier, "A unifying tool for linear multivariate
       statistical methods: the RV-coefficient", Applied Statistics 25(3), 1976,
       pp. 257-265.
    .. [2] A. K. Smilde, H. A. L. Kiers, S. Bijlsma, C. M. Rubingh and M. J. van Erk,
       "Matrix correlations for high-dimensional data: the modified RV-coefficient",
       Bioinformatics 25(3), 2009, pp. 401-405.

    Examples
    --------
    >>> from skalign.metrics import rv_coefficient
    >>> X, Y = [[0.0], [1.0], [2.0]], [[0.0], [1.0], [1.0]]  # correlated by 0.866
    >>> print(f"{rv_coefficient(X, Y):.2f}")
    0.75
    """
    X, Y = check_paired_rows(X, Y, any_library=True)
    X, Y = to_length_one(X), to_length_one(Y)

    def product(A, B):
        own = _squared_lengths(A) @ _squared_lengths(B) if modified else 0.0
        return _squared_product(A, B) - own

    with np.errstate(over="ignore", invalid="ignore"):
        return cosine_of(product(X, Y), product(X, X), product(Y, Y), X.dtype)


def cosine_of(product, x_square, y_square, dtype):
    """Return a product over the roots of two squares; 0 where one of them is none."""
    product, x_square, y_square = float(product), float(x_square), float(y_square)
    check_no_overflow(x_square + y_square, dtype)
    if min(x_square, y_square) <= 0:
        return 0.0
    cosine = product / np.sqrt(x_square) / np.sqrt(y_square)
    return float(np.clip(cosine, -1.0, 1.0))  # rounding can pass 1


def _linear_dependence(X, Y, debiased):
    """Return the HSIC of centred rows under linear kernels, to a common factor."""
    square = _squared_product(X, Y)
    if not debiased:
        return square
    # With centred rows, those of the matrix less its diagonal sum to minus that.
    k, l_ = _squared_lengths(X), _squared_lengths(Y)
    return _debias(square - k @ l_, -k, -l_)


def _dependence(x, y, debiased):
    """Return the HSIC of two sides, each rows and a kernel, to a common factor."""
    (X, x_kernel), (Y, y_kernel) = x, y
    xp, n_samples, square = namespace(X, Y), X.shape[0], 0.0
    x_sums = xp.zeros(n_samples, dtype=xp.float64, device=X.device)
    y_sums = xp.zeros(n_samples, dtype=xp.float64, device=X.device)
    for rows, others in gen_pairs(n_samples, n_samples):
        K = x_kernel(X[rows, :], X[others, :])
        L = y_kernel(Y[rows, :], Y[others, :])
        if debiased and max(rows.start, others.start) < min(rows.stop, others.stop):
            first = rows.start - others.start  # where a row meets itself
            own = xp.eye(*K.shape, k=first, dtype=K.dtype, device=K.device)
            K *= 1 - own
            L *= 1 - own
        x_sums[rows] += xp.sum(K, axis=1, dtype=xp.float64)
        y_sums[rows] += xp.sum(L, axis=1, dtype=xp.float64)
        K *= L
        square += xp.sum(K, dtype=xp.float64)
    if debiased:
        return _debias(square, x_sums, y_sums)
    value = square - 2 / n_samples * (x_sums @ y_sums)
    value += xp.sum(x_sums) * xp.sum(y_sums) / n_samples**2
    # What is left of equal rows is rounding.
    return value if value > 1e-12 * square else 0.0


def _debias(square, x_sums, y_sums):
    """Return the sum of Eq. 5 of [2]_, to a common factor."""
    xp, n_samples = namespace(x_sums, y_sums), x_sums.shape[0]
    value = square - 2 / (n_samples - 2) * (x_sums @ y_sums)
    value += xp.sum(x_sums) * xp.sum(y_sums) / ((n_samples - 1) * (n_samples - 2))
    return value if abs(value) > 1e-12 * abs(square) else 0.0


def _squared_lengths(X):
    return namespace(X).vecdot(X, X)


def _squared_product(X, Y):
    """Return the sum of squares of ``X.T @ Y``, on the side that costs less."""
    xp, n_samples = namespace(X, Y), X.shape[0]
    if X.shape[1] * Y.shape[1] > n_samples * (X.shape[1] + Y.shape[1]):
        return sum(
            xp.sum(
                (X[rows, :] @ X[others, :].T) * (Y[rows, :] @ Y[others, :].T),
            )
            for rows, others in gen_pairs(n_samples, n_samples)
        )
    return sum(
        xp.sum((X[:, columns].T @ Y) ** 2)
        for columns in gen_batches(X.shape[1], block_shape()[0])
    )
