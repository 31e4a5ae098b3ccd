"""Maximum mean discrepancy: how far apart two sets are in the eyes of a kernel."""

from numbers import Integral

import numpy as np
from sklearn.utils import check_random_state, gen_batches, gen_even_slices
from sklearn.utils._param_validation import StrOptions, validate_params

from skalign._arrays import namespace, to_numpy
from skalign._autocast import autocast_off
from skalign._parameters import Interval
from skalign.metrics._kernels import (
    KERNEL_CONSTRAINTS,
    check_gamma,
    discrepancy,
    make_kernel,
    sum_between,
    sum_within,
)
from skalign.metrics._validation import (
    check_mass,
    check_no_overflow,
    check_pair_mass,
    check_spaces,
)

_BLOCK_VALUES = 2**21


@validate_params(
    {
        "X": ["array-like"],
        "Y": ["array-like"],
        **KERNEL_CONSTRAINTS,
        "unbiased": ["boolean"],
        "X_weight": ["array-like", None],
        "Y_weight": ["array-like", None],
    },
    prefer_skip_nested_validation=True,
)
@autocast_off()
def mmd(
    X,
    Y,
    *,
    kernel="rbf",
    gamma=None,
    degree=3,
    coef0=1.0,
    unbiased=True,
    X_weight=None,
    Y_weight=None,
):
    """Squared maximum mean discrepancy under a kernel.

    The squared distance between the kernel means of two sets [1]_. With a Gaussian or
    a Laplacian kernel it is zero only if both sets come from one distribution. Read
    more in the :ref:`User Guide <metrics>`.

    Parameters
    ----------
    X : array-like of shape (n_samples_x, n_features)
        Source rows, in the target space.
    Y : array-like of shape (n_samples_y, n_features)
        Target rows.
    kernel : {"rbf", "laplacian", "polynomial", "linear"}, default="rbf"
        The kernel, as scikit-learn writes it:

        - "rbf": ``exp(-gamma * |x - y|**2)``;
        - "laplacian": ``exp(-gamma * |x - y|_1)``;
        - "polynomial": ``(gamma * x @ y + coef0) ** degree``, which sees as many
          moments as its degree. As it stands, on features of an Inception network,
          it gives the KID [3]_;
        - "linear": ``x @ y``, which sees the means. Rows are taken from the middle
          between these.
    gamma : float, array-like of shape (n_kernels,) or "target", default=None
        Strength of the kernel; positive. Several strengths stand for the mean of as
        many kernels, "rbf" or "laplacian". None takes the median heuristic [2]_ for
        these: one over the median of ``|a - b|**2``, or of ``|a - b|_1``, over the
        pairs of unequal rows among 500 rows of each set, always the same rows (1.0 if
        all rows are equal). "target" does so with rows of `Y` only. Values for several
        `X` then share one kernel and can be compared, which a search over aligners
        needs. For a polynomial None is ``1 / n_features``.
    degree : int, default=3
        Degree of the polynomial.
    coef0 : float, default=1.0
        Constant in the polynomial; not negative.
    unbiased : bool, default=True
        Whether to leave out the pairs of a row with itself. The value then is right on
        average, and can be negative; otherwise it is too large, with "rbf" by less than
        ``1 / n_samples_x + 1 / n_samples_y``.
    X_weight : array-like of shape (n_samples_x,), default=None
        Share of the mass in each row of `X`, up to a factor; not negative. None spreads
        it evenly.
    Y_weight : array-like of shape (n_samples_y,), default=None
        The same for `Y`.

    Returns
    -------
    mmd : float
        At least 0 if biased. With "rbf" and "laplacian" without unit, at most 2.

    Raises
    ------
    ValueError
        If a set is empty, has a single row of positive weight where `unbiased`, or is
        not finite, the widths differ, a weight is negative or all are zero, or `gamma`
        is not positive or does not suit the kernel.

    See Also
    --------
    block_mmd : From pairs within blocks of rows only.
    random_fourier_mmd : From random features.
    mmd_test : Whether the value is more than chance.
    energy_distance : Without a strength to choose.
    sklearn.metrics.pairwise.pairwise_kernels : The same kernels.

    Notes
    -----
    Costs ``(n_samples_x + n_samples_y)**2 / 2`` kernel values; a block of 1,024 by
    2,048 of them is held at a time, a smaller one where scikit-learn's `working_memory`
    asks for it. Products and exponentials run in the precision of the rows, sums in
    float64.

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
    X, Y = check_spaces(X, Y, any_library=True)
    X, a = check_mass(X_weight, X)
    Y, b = check_mass(Y_weight, Y)
    if unbiased:
        check_pair_mass(a, b)
    function = make_kernel(kernel, X, Y, gamma=gamma, degree=degree, coef0=coef0)
    value = discrepancy(function, X, Y, a, b, unbiased=unbiased)
    return value if unbiased else max(value, 0.0)  # rounding can pass 0


@validate_params(
    {
        "X": ["array-like"],
        "Y": ["array-like"],
        "block_size": [Interval(Integral, 2, None, closed="left")],
        **KERNEL_CONSTRAINTS,
        "X_weight": ["array-like", None],
        "Y_weight": ["array-like", None],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
@autocast_off()
def block_mmd(
    X,
    Y,
    *,
    block_size=100,
    kernel="rbf",
    gamma=None,
    degree=3,
    coef0=1.0,
    X_weight=None,
    Y_weight=None,
    random_state=None,
):
    """Unbiased `mmd` from pairs of rows within blocks only.

    Both sets are dealt at random into as many blocks, and block is compared with
    block [1]_; blocks of the larger set are cut into parts for pairs within it. Right
    on average, at a cost that grows with the rows and not with their square; its
    variance falls with the rows and with the size of a block.

    Parameters
    ----------
    X : array-like of shape (n_samples_x, n_features)
        Source rows, in the target space.
    Y : array-like of shape (n_samples_y, n_features)
        Target rows.
    block_size : int, default=100
        Rows of the smaller set in a block, and of either in a part, at least; 2 is the
        cheapest. The value is `mmd` where neither set has rows for two.
    kernel : {"rbf", "laplacian", "polynomial", "linear"}, default="rbf"
        The kernel, as in `mmd`.
    gamma : float, array-like of shape (n_kernels,) or "target", default=None
        Strength of the kernel, as in `mmd`.
    degree : int, default=3
        Degree of the polynomial.
    coef0 : float, default=1.0
        Constant in the polynomial; not negative.
    X_weight : array-like of shape (n_samples_x,), default=None
        Share of the mass in each row of `X`, up to a factor; not negative. None spreads
        it evenly.
    Y_weight : array-like of shape (n_samples_y,), default=None
        The same for `Y`.
    random_state : int, RandomState instance or None, default=None
        Deals the rows. An int deals them the same way on every call.

    Returns
    -------
    mmd : float
        An estimate of what `mmd` estimates; can be negative.

    Raises
    ------
    ValueError
        As `mmd`.

    See Also
    --------
    mmd : From all pairs.
    random_fourier_mmd : From random features of all rows.

    Notes
    -----
    The value is that of the mean over blocks, where these are of equal size. With
    weights, pairs count by the product of theirs, whichever block they are in.

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
    X, Y = check_spaces(X, Y, any_library=True)
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
        "X": ["array-like"],
        "Y": ["array-like"],
        "n_components": [Interval(Integral, 1, None, closed="left")],
        "kernel": [StrOptions({"rbf", "laplacian"})],
        "gamma": KERNEL_CONSTRAINTS["gamma"],
        "unbiased": ["boolean"],
        "X_weight": ["array-like", None],
        "Y_weight": ["array-like", None],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
@autocast_off()
def random_fourier_mmd(
    X,
    Y,
    *,
    n_components=500,
    kernel="rbf",
    gamma=None,
    unbiased=True,
    X_weight=None,
    Y_weight=None,
    random_state=None,
):
    """Estimate `mmd` from random Fourier features.

    A sine and a cosine of each of `n_components` random projections stand for the
    kernel [1]_: the mean over random kernels is `mmd`, whose square root errs by about
    ``1 / sqrt(n_components)`` of itself.

    Parameters
    ----------
    X : array-like of shape (n_samples_x, n_features)
        Source rows, in the target space.
    Y : array-like of shape (n_samples_y, n_features)
        Target rows.
    n_components : int, default=500
        Number of projections; two features each.
    kernel : {"rbf", "laplacian"}, default="rbf"
        The kernel, as in `mmd`.
    gamma : float, array-like of shape (n_kernels,) or "target", default=None
        Strength of the kernel, as in `mmd`. Several strengths take turns.
    unbiased : bool, default=True
        Whether to leave out the pairs of a row with itself, as in `mmd`.
    X_weight : array-like of shape (n_samples_x,), default=None
        Share of the mass in each row of `X`, up to a factor; not negative.
    Y_weight : array-like of shape (n_samples_y,), default=None
        The same for `Y`.
    random_state : int, RandomState instance or None, default=None
        Draws the projections. An int draws the same ones on every call, so that values
        can be compared.

    Returns
    -------
    mmd : float
        An estimate of `mmd`; at least 0 if biased.

    Raises
    ------
    ValueError
        As `mmd`.

    See Also
    --------
    mmd : With the kernel itself.
    sklearn.kernel_approximation.RBFSampler : Features of the same kernel.

    Notes
    -----
    Costs ``(n_samples_x + n_samples_y) * n_features * n_components``. However many
    features there are, differences that no drawn frequency shows stay unseen.

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
    origin = xp.mean(Y, axis=0)  # large angles would lose digits
    x, y = (
        _mean_wave(rows - origin, mass, frequencies) for rows, mass in ((X, a), (Y, b))
    )
    if not unbiased:
        return float((x - y) @ (x - y))
    # The features of a row have length one.
    within = ((z @ z - p @ p) / (1 - p @ p) for z, p in ((x, a), (y, b)))
    return float(sum(within) - 2 * (x @ y))


def _deal(rows, mass, n_blocks, random_state):
    """Generate blocks of rows drawn without replacement, and their mass."""
    xp = namespace(rows)
    order = random_state.permutation(rows.shape[0])
    for block in np.array_split(order, n_blocks):
        drawn = xp.asarray(block, device=rows.device)
        yield xp.take(rows, drawn, axis=0), xp.take(mass, drawn)


def _parts(rows, mass, size):
    """Cut a block into parts of at least `size` rows: pairs grow with their square."""
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
