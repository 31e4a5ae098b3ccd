"""Maximum mean discrepancy: exact, blockwise and with random features."""

from numbers import Integral
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from sklearn.utils import check_random_state, gen_batches, gen_even_slices
from sklearn.utils._param_validation import StrOptions, validate_params

from skalign._arrays import namespace, to_numpy
from skalign._autocast import autocast_off
from skalign._validation import Interval
from skalign.metrics._kernels import (
    KERNEL_CONSTRAINTS,
    check_gamma,
    discrepancy,
    make_kernel,
    sum_between,
    sum_within,
)
from skalign.metrics._validation import (
    WEIGHTED_SPACES,
    check_mass,
    check_no_overflow,
    check_pair_mass,
    check_spaces,
)
from skalign.moments import check_sums

_BLOCK_VALUES = 2**21


@validate_params(
    {
        **WEIGHTED_SPACES,
        **KERNEL_CONSTRAINTS,
        "unbiased": ["boolean"],
    },
    prefer_skip_nested_validation=True,
)
@autocast_off()
def mmd(
    X: ArrayLike,
    Y: ArrayLike,
    *,
    kernel: Literal["rbf", "laplacian", "polynomial", "linear"] = "rbf",
    gamma: float | ArrayLike | Literal["target"] | None = None,
    degree: int = 3,
    coef0: float = 1.0,
    unbiased: bool = True,
    X_weight: ArrayLike | None = None,
    Y_weight: ArrayLike | None = None,
) -> float:
    r"""Squared maximum mean discrepancy under a kernel.

    The squared distance between the kernel means of two sets of samples [1]_. Its
    unbiased estimate, with :math:`n` samples in `X` and :math:`m` in `Y`, is

    .. math::

        \frac{1}{n(n - 1)} \sum_{i \ne i'} k(x_i, x_{i'})
        + \frac{1}{m(m - 1)} \sum_{j \ne j'} k(y_j, y_{j'})
        - \frac{2}{n m} \sum_{i, j} k(x_i, y_j) .

    With weights :math:`a_i` that sum to one, the first term is :math:`\sum_{i \ne i'}
    a_i a_{i'} k(x_i, x_{i'}) / (1 - \sum_i a_i^2)`, and the others likewise. With a
    Gaussian or a Laplacian kernel, the discrepancy of two distributions is zero only if
    they are equal. Read more in the :ref:`User Guide <metrics>`.

    Parameters
    ----------
    X, Y : array-like of shape (n_samples_x, n_features) and (n_samples_y, n_features)
        Source samples, in the target space, and target samples.
    kernel : {"rbf", "laplacian", "polynomial", "linear"}, default="rbf"
        Kernel, with the formulas of scikit-learn:

        - "rbf": ``exp(-gamma * |x - y|**2)``;
        - "laplacian": ``exp(-gamma * |x - y|_1)``;
        - "polynomial": ``(gamma * x @ y + coef0) ** degree``, which compares moments up
          to `degree`. With the default parameters, on features of an Inception network,
          this is the KID [3]_;
        - "linear": ``x @ y``, which compares the means. Products are computed from the
          midpoint between the means, which does not change the result.
    gamma : float, array-like of shape (n_kernels,) or "target", default=None
        Coefficient of the kernel; positive. Several values average as many "rbf" or
        "laplacian" kernels. None uses the median heuristic [2]_ for these two: one over
        the median of ``|a - b|**2``, or of ``|a - b|_1``, over pairs of unequal samples
        among up to 500 samples of each set, drawn with a fixed seed (1.0 if all samples
        are equal). "target" uses samples of `Y` only: the same kernel is then used for
        different `X`, so that their values can be compared, as a search over aligners
        requires. For a polynomial kernel, None is ``1 / n_features``.
    degree : int, default=3
        Degree of the polynomial kernel.
    coef0 : float, default=1.0
        Constant term of the polynomial kernel; not negative.
    unbiased : bool, default=True
        Whether to exclude the pairs of a sample with itself. The estimate is then
        unbiased and can be negative. Otherwise it is too large, with "rbf" by less than
        ``1 / n_samples_x + 1 / n_samples_y``.
    X_weight, Y_weight : array-like of shape (n_samples_x,) and (n_samples_y,), optional
        Non-negative sample weights, normalised to sum to one. Equal by default.

    Returns
    -------
    mmd : float
        Squared discrepancy; at least 0 if biased. With "rbf" and "laplacian"
        dimensionless and at most 2.

    Raises
    ------
    ValueError
        If `X` or `Y` is empty, not finite or, if `unbiased`, has a single sample of
        positive weight, their numbers of features differ, a weight is negative or all
        weights are zero, or `gamma` is not positive or does not suit the kernel.

    See Also
    --------
    block_mmd : Estimate from pairs within blocks of samples.
    random_fourier_mmd : Estimate from random features.
    mmd_test : Permutation test based on the discrepancy.
    energy_distance : Distance without a kernel coefficient to choose.
    sklearn.metrics.pairwise.pairwise_kernels : The same kernels.

    Notes
    -----
    Costs ``(n_samples_x + n_samples_y)**2 / 2`` kernel values, computed in blocks of
    1,024 by 2,048, or smaller ones to respect scikit-learn's `working_memory`. Products
    and exponentials are computed in the dtype of the samples, sums in float64.

    References
    ----------
    .. [1] A. Gretton, K. Borgwardt, M. Rasch, B. Schölkopf and A. Smola, "A kernel
       two-sample test", Journal of Machine Learning Research 13, 2012, pp. 723-773:
       Eq. 3 (unbiased) and Eq. 5 (biased).
    .. [2] D. Garreau, W. Jitkrittum and M. Kanagawa, "Large sample analysis of the
       median heuristic", arXiv:1707.07269, 2017.
    .. [3] M. Bińkowski, D. J. Sutherland, M. Arbel and A. Gretton, "Demystifying MMD
       GANs", ICLR 2018: section 4.

    Examples
    --------
    >>> from skalign.metrics import mmd
    >>> X, Y = [[0.0], [1.0], [2.0]], [[2.0], [3.0], [4.0], [5.0]]
    >>> print(f"{mmd(X, Y, gamma=0.5):.3f}")
    0.358
    >>> print(f"{mmd(X, X, gamma=0.5, unbiased=False):.3f}")
    0.000
    >>> print(f"{mmd(X, Y, kernel='linear', unbiased=False):.3f}")  # means 1 and 3.5
    6.250
    """
    X, Y = check_spaces(X, Y, any_library=kernel != "laplacian")
    X, a = check_mass(X_weight, X)
    Y, b = check_mass(Y_weight, Y)
    if unbiased:
        check_pair_mass(a, b)
    function = make_kernel(kernel, X, Y, gamma=gamma, degree=degree, coef0=coef0)
    value = discrepancy(function, X, Y, a, b, unbiased=unbiased)
    return value if unbiased else max(value, 0.0)  # rounding may fall below 0


@validate_params(
    {
        **WEIGHTED_SPACES,
        "block_size": [Interval(Integral, 2, None, closed="left")],
        **KERNEL_CONSTRAINTS,
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
@autocast_off()
def block_mmd(
    X: ArrayLike,
    Y: ArrayLike,
    *,
    block_size: int = 100,
    kernel: Literal["rbf", "laplacian", "polynomial", "linear"] = "rbf",
    gamma: float | ArrayLike | Literal["target"] | None = None,
    degree: int = 3,
    coef0: float = 1.0,
    X_weight: ArrayLike | None = None,
    Y_weight: ArrayLike | None = None,
    random_state: int | np.random.RandomState | None = None,
) -> float:
    r"""Unbiased estimate of `mmd` from pairs of samples within blocks.

    Both sets are divided at random into the same number of blocks, and only samples of
    corresponding blocks are compared [1]_. Blocks of the larger set are divided further
    into parts for the pairs within it. With blocks :math:`(A, B)`, parts :math:`P` of
    the blocks of `X` and :math:`Q` of those of `Y`, and weights :math:`a_i` and
    :math:`b_j`, the estimate is

    .. math::

        \frac{\sum_P \sum_{i \ne i' \in P} a_i a_{i'} k(x_i, x_{i'})}
        {\sum_P \sum_{i \ne i' \in P} a_i a_{i'}}
        + \frac{\sum_Q \sum_{j \ne j' \in Q} b_j b_{j'} k(y_j, y_{j'})}
        {\sum_Q \sum_{j \ne j' \in Q} b_j b_{j'}}
        - 2 \frac{\sum_{(A, B)} \sum_{i \in A, j \in B} a_i b_j k(x_i, y_j)}
        {\sum_{(A, B)} \sum_{i \in A, j \in B} a_i b_j} .

    Its cost is linear in the number of samples; its variance decreases with the number
    of samples and with the size of the blocks.

    Parameters
    ----------
    X, Y : array-like of shape (n_samples_x, n_features) and (n_samples_y, n_features)
        Source samples, in the target space, and target samples.
    block_size : int, default=100
        Minimum number of samples of the smaller set in a block, and of either set in a
        part; 2 is the cheapest. If the smaller set has less than twice as many samples,
        a single block is used.
    kernel : {"rbf", "laplacian", "polynomial", "linear"}, default="rbf"
        Kernel, as in `mmd`.
    gamma : float, array-like of shape (n_kernels,) or "target", default=None
        Coefficient of the kernel, as in `mmd`.
    degree : int, default=3
        Degree of the polynomial kernel.
    coef0 : float, default=1.0
        Constant term of the polynomial kernel; not negative.
    X_weight, Y_weight : array-like of shape (n_samples_x,) and (n_samples_y,), optional
        Non-negative sample weights, normalised to sum to one. Equal by default.
    random_state : int, RandomState instance or None, default=None
        Generator of the division into blocks. Pass an int for the same division in
        every call.

    Returns
    -------
    mmd : float
        Estimate of `mmd`; can be negative.

    Raises
    ------
    ValueError
        As in `mmd`.

    See Also
    --------
    mmd : Estimate from all pairs.
    random_fourier_mmd : Estimate from random features of all samples.

    Notes
    -----
    With unweighted blocks and parts of equal size, the estimate is the mean of `mmd`
    over the blocks. Weighted pairs count in proportion to the product of their weights,
    whatever their block.

    References
    ----------
    .. [1] W. Zaremba, A. Gretton and M. Blaschko, "B-tests: low variance kernel
       two-sample tests", NeurIPS 2013: Eq. 3.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign.metrics import block_mmd, mmd
    >>> rng = np.random.default_rng(0)
    >>> X, Y = rng.normal(size=(2000, 3)), rng.normal(0.5, 1.0, size=(2000, 3))
    >>> print(f"{block_mmd(X, Y, random_state=0):.2f} {mmd(X, Y):.2f}")
    0.07 0.07
    """
    X, Y = check_spaces(X, Y, any_library=kernel != "laplacian")
    X, a = check_mass(X_weight, X)
    Y, b = check_mass(Y_weight, Y)
    check_pair_mass(a, b)
    function = make_kernel(kernel, X, Y, gamma=gamma, degree=degree, coef0=coef0)
    random_state = check_random_state(random_state)
    n_blocks = max(min(X.shape[0], Y.shape[0]) // block_size, 1)
    blocks = zip(
        _deal(X, a, n_blocks, random_state),
        _deal(Y, b, n_blocks, random_state),
        strict=True,
    )
    xp, sums, masses = namespace(X, Y), [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]
    with np.errstate(over="ignore", invalid="ignore"):
        for (A, p), (B, q) in blocks:
            for k, block in enumerate([(A, p), (B, q)]):
                for rows, mass in _parts(*block, block_size):
                    sums[k] += sum_within(function, rows, mass, unbiased=True)
                    masses[k] += xp.sum(mass) ** 2 - mass @ mass
            sums[2] += sum_between(function, A, B, p, q)
            masses[2] += xp.sum(p) * xp.sum(q)
    within_x, within_y, between = to_numpy(xp.stack(sums) / xp.stack(masses))
    return check_no_overflow(within_x + within_y - 2 * between, X.dtype)


@validate_params(
    {
        **WEIGHTED_SPACES,
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "kernel": [StrOptions({"rbf", "laplacian"})],
        "gamma": KERNEL_CONSTRAINTS["gamma"],
        "unbiased": ["boolean"],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
@autocast_off()
def random_fourier_mmd(
    X: ArrayLike,
    Y: ArrayLike,
    *,
    n_components: int = 500,
    kernel: Literal["rbf", "laplacian"] = "rbf",
    gamma: float | ArrayLike | Literal["target"] | None = None,
    unbiased: bool = True,
    X_weight: ArrayLike | None = None,
    Y_weight: ArrayLike | None = None,
    random_state: int | np.random.RandomState | None = None,
) -> float:
    r"""Estimate of `mmd` from random Fourier features.

    The kernel is approximated by cosines and sines of :math:`D` random projections
    [1]_,

    .. math::

        z(x) = \frac{1}{\sqrt{D}} \bigl( \cos(\omega_1^\top x), \dots,
        \cos(\omega_D^\top x), \sin(\omega_1^\top x), \dots,
        \sin(\omega_D^\top x) \bigr) ,

    with Gaussian frequencies :math:`\omega` for "rbf" and Cauchy frequencies for
    "laplacian". With the weighted means :math:`\bar z_X` and :math:`\bar z_Y`, the
    estimate is

    .. math::

        \lVert \bar z_X - \bar z_Y \rVert^2
        \quad \text{or, if unbiased,} \quad
        \frac{\lVert \bar z_X \rVert^2 - \sum_i a_i^2}{1 - \sum_i a_i^2}
        + \frac{\lVert \bar z_Y \rVert^2 - \sum_j b_j^2}{1 - \sum_j b_j^2}
        - 2 \, \bar z_X^\top \bar z_Y .

    Its mean over the random frequencies is `mmd`. The relative error of the square root
    of the estimate is about ``1 / sqrt(n_components)``.

    Parameters
    ----------
    X, Y : array-like of shape (n_samples_x, n_features) and (n_samples_y, n_features)
        Source samples, in the target space, and target samples.
    n_components : int, default=500
        Number :math:`D` of projections, each of which gives two features.
    kernel : {"rbf", "laplacian"}, default="rbf"
        Kernel, as in `mmd`.
    gamma : float, array-like of shape (n_kernels,) or "target", default=None
        Coefficient of the kernel, as in `mmd`. Several values are assigned to the
        projections in turn.
    unbiased : bool, default=True
        Whether to exclude the pairs of a sample with itself, as in `mmd`.
    X_weight, Y_weight : array-like of shape (n_samples_x,) and (n_samples_y,), optional
        Non-negative sample weights, normalised to sum to one. Equal by default.
    random_state : int, RandomState instance or None, default=None
        Generator of the projections. Pass an int for the same projections in every
        call, so that values can be compared.

    Returns
    -------
    mmd : float
        Estimate of `mmd`; at least 0 if biased.

    Raises
    ------
    ValueError
        As in `mmd`.

    See Also
    --------
    mmd : Discrepancy with the exact kernel.
    sklearn.kernel_approximation.RBFSampler : Random features of the same kernel.

    Notes
    -----
    Costs ``(n_samples_x + n_samples_y) * n_features * n_components`` operations.
    Differences that are not visible at any of the drawn frequencies are not detected.

    References
    ----------
    .. [1] A. Rahimi and B. Recht, "Random features for large-scale kernel machines",
       NeurIPS 2007: algorithm 1.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign.metrics import mmd, random_fourier_mmd
    >>> rng = np.random.default_rng(0)
    >>> X, Y = rng.normal(size=(2000, 3)), rng.normal(0.5, 1.0, size=(2000, 3))
    >>> print(f"{random_fourier_mmd(X, Y, random_state=0):.2f} {mmd(X, Y):.2f}")
    0.07 0.07
    """
    X, Y = check_spaces(X, Y, any_library=True)
    X, a = check_mass(X_weight, X)
    Y, b = check_mass(Y_weight, Y)
    if unbiased:
        check_pair_mass(a, b)
    gammas = np.resize(check_gamma(gamma, X, Y, kernel), n_components)
    random_state = check_random_state(random_state)
    size = X.shape[1], n_components
    if kernel == "rbf":
        frequencies = random_state.standard_normal(size) * np.sqrt(2 * gammas)
    else:
        frequencies = random_state.standard_cauchy(size) * gammas
    xp = namespace(X, Y)
    frequencies = xp.asarray(frequencies, dtype=X.dtype, device=X.device)
    origin = xp.mean(Y, axis=0)  # large angles would lose precision
    with np.errstate(over="ignore", invalid="ignore"):
        x, y = (
            _mean_wave(rows - origin, mass, frequencies)
            for rows, mass in ((X, a), (Y, b))
        )
    for features in (x, y):  # angles of samples that are far apart overflow
        check_sums(to_numpy(features))
    if not unbiased:
        return float((x - y) @ (x - y))
    # The features of a sample have unit norm.
    within = ((z @ z - p @ p) / (1 - p @ p) for z, p in ((x, a), (y, b)))
    return float(sum(within) - 2 * (x @ y))


def _deal(rows, mass, n_blocks, random_state):
    """Generate blocks of samples drawn without replacement, and their weights."""
    xp = namespace(rows)
    order = random_state.permutation(rows.shape[0])
    for block in np.array_split(order, n_blocks):
        drawn = xp.asarray(block, device=rows.device)
        yield xp.take(rows, drawn, axis=0), xp.take(mass, drawn)


def _parts(rows, mass, size):
    """Divide a block into parts of at least `size` samples, to limit the pairs."""
    n_rows = mass.shape[0]
    for part in gen_even_slices(n_rows, max(n_rows // size, 1)):
        yield rows[part, :], mass[part]


def _mean_wave(X, mass, frequencies):
    """Return the weighted mean of cosines and sines, of shape (2 * n_components,)."""
    xp, n_components = namespace(X), frequencies.shape[1]
    total = xp.zeros(2 * n_components, dtype=xp.float64, device=X.device)
    for rows in gen_batches(X.shape[0], max(_BLOCK_VALUES // n_components, 1)):
        angles, weight = X[rows, :] @ frequencies, mass[rows]
        total += xp.concat(
            [
                weight @ xp.asarray(wave(angles), dtype=xp.float64)
                for wave in (xp.cos, xp.sin)
            ]
        )
    return total / n_components**0.5
