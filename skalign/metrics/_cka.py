"""Centred kernel alignment and the RV coefficient."""

from functools import partial
from numbers import Real
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import gen_batches
from sklearn.utils._param_validation import StrOptions, validate_params

from skalign._arrays import namespace
from skalign._autocast import autocast_off
from skalign._dask import is_dask
from skalign._validation import Interval
from skalign.metrics._kernels import block_shape, gen_pairs, make_kernel
from skalign.metrics._procrustes import to_length_one
from skalign.metrics._sums import squared_products_of_dask
from skalign.metrics._validation import SPACES, check_no_overflow, check_paired_rows


@validate_params(
    {
        **SPACES,
        "kernel": [StrOptions({"linear", "rbf"})],
        "gamma": [Interval(Real, 0, None, closed="neither"), None],
        "debiased": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
@autocast_off()
def cka(
    X: ArrayLike,
    Y: ArrayLike,
    *,
    kernel: Literal["linear", "rbf"] = "linear",
    gamma: float | None = None,
    debiased: bool = False,
) -> float:
    r"""Centred kernel alignment of two representations of the same samples.

    The cosine between two centred kernel matrices :math:`K` and :math:`L`, of `X` and
    of `Y` [1]_:

    .. math::

        \mathrm{CKA}(K, L) = \frac{\mathrm{HSIC}(K, L)}
        {\sqrt{\mathrm{HSIC}(K, K) \, \mathrm{HSIC}(L, L)}}, \qquad
        \mathrm{HSIC}(K, L) = \operatorname{tr}(K H L H), \qquad
        H = I - \tfrac{1}{n} 1 1^\top .

    With a linear kernel, :math:`\mathrm{HSIC}(K, L) = \lVert X^\top Y \rVert_F^2` for
    centred `X` and `Y`. With ``debiased=True``, the diagonals of :math:`K` and
    :math:`L` are set to zero and, up to a common factor,

    .. math::

        \mathrm{HSIC}(K, L) = \operatorname{tr}(K L)
        + \frac{1^\top K 1 \, 1^\top L 1}{(n - 1)(n - 2)}
        - \frac{2}{n - 2} 1^\top K L 1 .

    CKA is invariant to rotations, shifts and isotropic scaling, and insensitive to
    directions of small variance. Read more in the :ref:`User Guide <similarities>`.

    Parameters
    ----------
    X, Y : array-like of shape (n_samples, n_features_x) and (n_samples, n_features_y)
        Two representations of the same samples, row by row. Their numbers of features
        may differ.
    kernel : {"linear", "rbf"}, default="linear"
        Kernel of both sides.
    gamma : float, default=None
        Coefficient of the "rbf" kernel ``exp(-gamma * |x - y|**2)``, for both sides.
        None uses, for each side, one over the median squared distance of its samples,
        as in `mmd`.
    debiased : bool, default=False
        Whether to use the unbiased estimator of HSIC [2]_. The value of unrelated
        representations is then 0 on average for any number of features; otherwise, it
        approaches 1 as the number of features approaches the number of samples.

    Returns
    -------
    similarity : float
        Between 0 and 1, or -1 and 1 if debiased; 1 for equal representations. It is 0
        if all samples of one side are equal.

    Raises
    ------
    ValueError
        If `X` or `Y` is empty or not finite, their numbers of samples differ,
        `debiased` is True with fewer than 4 samples, or `gamma` is given for "linear".

    See Also
    --------
    rv_coefficient : Linear CKA, with a different bias correction.
    cca_similarity : Similarity that gives all directions equal weight.

    Notes
    -----
    The linear kernel costs ``n_samples * n_features**2`` operations, or ``n_samples**2
    * n_features`` if there are more features than samples. The "rbf" kernel costs three
    sums over ``n_samples**2`` pairs of kernel values, computed in blocks as in `mmd`.

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
    from_sums = kernel == "linear" and gamma is None and not debiased
    X, Y = check_paired_rows(X, Y, any_library=True, dask=from_sums)
    if is_dask(X) or is_dask(Y):
        return cosine_of(*squared_products_of_dask(X, Y), X.dtype)
    if debiased and X.shape[0] < 4:
        raise ValueError(f"debiased=True needs at least 4 samples; got {X.shape[0]}.")
    if kernel == "linear":
        if gamma is not None:
            raise ValueError(f"gamma={gamma!r} must be None: a linear kernel has none.")
        dependence = partial(_linear_dependence, debiased=debiased)
        sides = to_length_one(X), to_length_one(Y)
    else:
        dependence = partial(_dependence, debiased=debiased)
        sides = tuple((A, make_kernel(kernel, A, A, gamma=gamma)) for A in (X, Y))
    x, y = sides
    with np.errstate(over="ignore", invalid="ignore"):
        return cosine_of(dependence(x, y), dependence(x, x), dependence(y, y), X.dtype)


@validate_params(
    {**SPACES, "modified": ["boolean"]},
    prefer_skip_nested_validation=True,
)
@autocast_off()
def rv_coefficient(X: ArrayLike, Y: ArrayLike, *, modified: bool = False) -> float:
    r"""RV coefficient, a squared correlation between matrices.

    The cosine between the Gram matrices of the centred representations [1]_,

    .. math::

        \mathrm{RV}(X, Y) = \frac{\operatorname{tr}(X X^\top Y Y^\top)}
        {\sqrt{\operatorname{tr}\bigl((X X^\top)^2\bigr)
        \operatorname{tr}\bigl((Y Y^\top)^2\bigr)}} ,

    which is the same as linear `cka`. With ``modified=True``, the diagonals of the Gram
    matrices are set to zero. Read more in the :ref:`User Guide <similarities>`.

    Parameters
    ----------
    X, Y : array-like of shape (n_samples, n_features_x) and (n_samples, n_features_y)
        Two representations of the same samples, row by row. Their numbers of features
        may differ.
    modified : bool, default=False
        Whether to exclude the product of each sample with itself [2]_. The value of
        unrelated representations with many features is then near 0. Unlike debiased
        `cka`, the modification does not correct for centring.

    Returns
    -------
    similarity : float
        Between 0 and 1, or -1 and 1 if modified. It is 0 if all samples of one side are
        equal.

    Raises
    ------
    ValueError
        If `X` or `Y` is empty or not finite, or if their numbers of samples differ.

    See Also
    --------
    cka : Generalisation to other kernels.

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
    X, Y = check_paired_rows(X, Y, any_library=True, dask=not modified)
    if is_dask(X) or is_dask(Y):
        return cosine_of(*squared_products_of_dask(X, Y), X.dtype)
    X, Y = to_length_one(X), to_length_one(Y)

    def product(A, B):
        own = _squared_lengths(A) @ _squared_lengths(B) if modified else 0.0
        return _squared_product(A, B) - own

    with np.errstate(over="ignore", invalid="ignore"):
        return cosine_of(product(X, Y), product(X, X), product(Y, Y), X.dtype)


def cosine_of(product, x_square, y_square, dtype):
    """Return a product over the roots of two squares; 0 if a square is not positive."""
    product, x_square, y_square = float(product), float(x_square), float(y_square)
    check_no_overflow(x_square + y_square, dtype)
    if min(x_square, y_square) <= 0:
        return 0.0
    cosine = product / np.sqrt(x_square) / np.sqrt(y_square)
    return float(np.clip(cosine, -1.0, 1.0))  # rounding may exceed 1


def _linear_dependence(X, Y, debiased):
    """Return the HSIC of centred samples for linear kernels, up to a factor."""
    square = _squared_product(X, Y)
    if not debiased:
        return square
    # A Gram matrix of centred samples without its diagonal has these row sums.
    k, l_ = _squared_lengths(X), _squared_lengths(Y)
    return _debias(square - k @ l_, -k, -l_)


def _dependence(x, y, debiased):
    """Return the HSIC of two pairs of samples and kernel, up to a factor."""
    (X, x_kernel), (Y, y_kernel) = x, y
    xp, n_samples, square = namespace(X, Y), X.shape[0], 0.0
    x_sums = xp.zeros(n_samples, dtype=xp.float64, device=X.device)
    y_sums = xp.zeros(n_samples, dtype=xp.float64, device=X.device)
    for rows, others in gen_pairs(n_samples, n_samples):
        K = x_kernel(X[rows, :], X[others, :])
        L = y_kernel(Y[rows, :], Y[others, :])
        if debiased and max(rows.start, others.start) < min(rows.stop, others.stop):
            first = rows.start - others.start  # offset of the diagonal
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
    # For equal samples, only rounding errors are left.
    return value if value > 1e-12 * square else 0.0


def _debias(square, x_sums, y_sums):
    """Return the sum in Eq. 5 of [2]_, up to a factor."""
    xp, n_samples = namespace(x_sums, y_sums), x_sums.shape[0]
    value = square - 2 / (n_samples - 2) * (x_sums @ y_sums)
    value += xp.sum(x_sums) * xp.sum(y_sums) / ((n_samples - 1) * (n_samples - 2))
    return value if abs(value) > 1e-12 * abs(square) else 0.0


def _squared_lengths(X):
    return namespace(X).vecdot(X, X)


def _squared_product(X, Y):
    """Return the squared Frobenius norm of ``X.T @ Y`` in the cheaper order."""
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
