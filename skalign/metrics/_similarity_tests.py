"""Permutation tests of paired similarities that compute each side once."""

from collections.abc import Callable
from functools import partial
from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.linalg import qr, svdvals
from scipy.spatial.distance import squareform
from scipy.stats import rankdata
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import validate_params

from skalign._validation import Interval
from skalign.metrics._cca import basis, cca_similarity, svcca
from skalign.metrics._cka import cka, rv_coefficient
from skalign.metrics._kernels import make_kernel
from skalign.metrics._neighbors import (
    distances_within,
    mutual_knn,
    neighbors_within,
    rsa_correlation,
)
from skalign.metrics._permutations import PermutationTestResult, permutation_pvalue
from skalign.metrics._procrustes import procrustes_distance, to_length_one
from skalign.metrics._validation import check_paired_rows, check_pairs_fit

_ROUNDING = 1e-12


def _products(A, B):
    """Similarity that is the sum of ``A * B`` over pairs of samples."""
    n_samples = len(A)
    i, j = np.nonzero(A)
    a, B = A[i, j], B.ravel()
    return lambda order: a @ B[order[i] * n_samples + order[j]]


def _singular_values(U, V, share):
    """Similarity that is a share of the sum of the singular values of ``U.T @ V``."""

    def similarity(order):
        if not U.shape[1] or not V.shape[1]:
            return 0.0
        return share * svdvals(U.T @ V[order], check_finite=False).sum()

    return similarity


def _unit(A):
    norm = np.linalg.norm(A)
    return A / norm if norm > 0 else A


def _of_cka(X, Y, kernel="linear", gamma=None, debiased=False):
    return _products(*(_centred(A, kernel, gamma, debiased) for A in (X, Y)))


def _centred(X, kernel, gamma, debiased):
    """Centred kernel matrix; without bias as in Eq. 5 of Song et al."""
    if kernel == "linear":
        X = to_length_one(X)
        K = X @ X.T
    else:
        K = make_kernel(kernel, X, X, gamma=gamma)(X, X).astype(np.float64)
    if not debiased:
        K -= K.mean(axis=0)
        K -= K.mean(axis=1)[:, None]
        return _unit(K)
    n_samples = len(K)
    np.fill_diagonal(K, 0)
    sums = K.sum(axis=0) / (n_samples - 2)
    K += sums.sum() / (n_samples - 1) - sums - sums[:, None]
    np.fill_diagonal(K, 0)
    return _unit(K)


def _of_rv(X, Y, modified=False):
    grams = [A @ A.T for A in map(to_length_one, (X, Y))]
    for gram in grams:
        if modified:
            np.fill_diagonal(gram, 0)
    return _products(*map(_unit, grams))


def _of_cca(X, Y, explained_variance=1.0):
    U, V = (basis(A, explained_variance) for A in (X, Y))
    return _singular_values(U, V, 1 / max(1, min(U.shape[1], V.shape[1])))


def _of_procrustes(X, Y):
    sides = []
    for A in map(to_length_one, (X, Y)):
        if A.shape[1] > len(A):
            A = qr(A.T, mode="r", check_finite=False)[0][: len(A)].T  # same products
        sides.append(A)
    return _singular_values(*sides, 1.0)


def _of_rsa(X, Y, metric="euclidean", correlation="spearman"):
    sides = []
    for distances in distances_within(X, Y, metric):
        ranked = rankdata(distances) if correlation == "spearman" else distances
        sides.append(_unit(squareform(_unit(ranked - ranked.mean()))))
    return _products(*sides)


def _of_knn(X, Y, n_neighbors=10, metric="cosine"):
    found = neighbors_within(X, Y, n_neighbors, metric)
    sides = np.zeros((2, len(X), len(X)))
    for side, neighbors in zip(sides, found, strict=True):
        np.put_along_axis(side, neighbors, (len(X) * n_neighbors) ** -0.5, axis=1)
    return _products(*sides)


_PERMUTED = {
    cca_similarity: _of_cca,
    cka: _of_cka,
    mutual_knn: _of_knn,
    procrustes_distance: _of_procrustes,
    rsa_correlation: _of_rsa,
    rv_coefficient: _of_rv,
    svcca: partial(_of_cca, explained_variance=0.99),
}


@validate_params(
    {
        "metric": [callable],
        "X": ["array-like"],
        "Y": ["array-like"],
        "n_permutations": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def similarity_test(
    metric: Callable[..., Any],
    X: ArrayLike,
    Y: ArrayLike,
    *,
    n_permutations: int = 999,
    random_state: int | np.random.RandomState | None = None,
) -> Any:
    r"""Permutation test of whether two representations are related.

    The samples of `Y` are randomly permuted :math:`B` times, which removes any relation
    to `X` [1]_. With the similarity :math:`S_0` of the given pairs, and :math:`S_b` of
    the permuted ones, the p-value is

    .. math::

        p = \frac{1 + \bigl| \bigl\{ b : S_b \ge S_0 \bigr\} \bigr|}{1 + B} .

    If the two representations are independent and the samples of one of them are
    exchangeable, the p-value is uniformly distributed, for any number of samples and of
    features. Read more in the :ref:`User Guide <similarity_tests>`.

    Parameters
    ----------
    metric : callable
        One of `cka`, `rv_coefficient`, `cca_similarity`, `svcca`, `rsa_correlation`,
        `procrustes_distance` and `mutual_knn`, or a `functools.partial` of one with its
        keyword arguments.
    X : array-like of shape (n_samples, n_features_x)
        First representation.
    Y : array-like of shape (n_samples, n_features_y)
        Second representation of the same samples, in the same order. Its number of
        features may differ from that of `X`.
    n_permutations : int, default=999
        Number :math:`B` of permutations. The smallest possible p-value is ``1 /
        (n_permutations + 1)``.
    random_state : int, RandomState instance or None, default=None
        Generator of the permutations.

    Returns
    -------
    result : named tuple
        With `statistic`, ``metric(X, Y)``, `pvalue` and `null_distribution`, the values
        of the permuted pairs. For `procrustes_distance`, small values are similar.

    Raises
    ------
    ValueError
        If `metric` is another function, or a matrix of all pairs of samples exceeds
        scikit-learn's `working_memory`, or as `metric` raises.

    See Also
    --------
    noise_ceiling : Largest similarity that noise in the measurements allows.
    jackknife_interval : Confidence interval of a similarity, with ``paired=True``.
    mmd_test : Test of whether two sets of samples differ in distribution.
    scipy.stats.permutation_test : Test of any statistic, which is recomputed for each
        permutation.

    Notes
    -----
    Kernels, distances, neighbours and bases are computed once; only their rows and
    columns are permuted. A permutation costs n_samples^2 operations, or a singular
    value decomposition of a matrix of the sizes of the subspaces for canonical
    correlations and `procrustes_distance`.

    A value that no permutation changes has the p-value 1, for example `cca_similarity`
    with as many features as samples. Dependent samples, such as frames of one film, are
    not exchangeable: their p-values are too small.

    References
    ----------
    .. [1] N. Mantel, "The detection of disease clustering and a generalized regression
       approach", Cancer Research 27(2), 1967, pp. 209-220.

    Examples
    --------
    >>> import numpy as np
    >>> from skalign.metrics import cka, similarity_test
    >>> X, Y = np.random.default_rng(0).normal(size=(2, 50, 30))
    >>> result = similarity_test(cka, X, Y, random_state=0)
    >>> print(f"{result.statistic:.2f} {result.pvalue:.2f}")  # similar by chance
    0.41 0.01
    >>> print(f"{similarity_test(cka, X, X + 3 * Y, random_state=0).pvalue:.3f}")
    0.001
    """
    function, given = metric, {}
    if isinstance(metric, partial) and not metric.args:
        function, given = metric.func, metric.keywords
    if function not in _PERMUTED:
        names = ", ".join(sorted(known.__name__ for known in _PERMUTED))
        raise ValueError(
            f"metric={metric!r} must be one of {names}, or a functools.partial of one "
            "with keyword arguments; scipy.stats.permutation_test takes any statistic."
        )
    X, Y = check_paired_rows(X, Y)
    check_pairs_fit(len(X), len(X))
    statistic = metric(X, Y)
    X, Y = X.astype(np.float64), Y.astype(np.float64)
    similarity = _PERMUTED[function](X, Y, **given)
    random_state = check_random_state(random_state)
    orders = [np.arange(len(X))]
    orders += [random_state.permutation(len(X)) for _ in range(n_permutations)]
    values = np.array([similarity(order) for order in orders])
    pvalue = permutation_pvalue(values, _ROUNDING)
    if function is procrustes_distance:
        values = np.sqrt(np.maximum(2 - 2 * values, 0))
    return PermutationTestResult(statistic, pvalue, values[1:])
