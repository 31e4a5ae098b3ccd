"""Similarities of the neighbourhoods and distances within two representations."""

from numbers import Integral
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial.distance import cdist, pdist
from scipy.stats import rankdata
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import gen_batches
from sklearn.utils._param_validation import StrOptions, validate_params

from skalign._rescale import near_one, unit_rows
from skalign._validation import Interval
from skalign.metrics._cka import cosine_of
from skalign.metrics._validation import (
    check_no_overflow,
    check_paired_rows,
    check_pairs_fit,
)

_EQUAL = 1e-12
_NEIGHBOR_CONSTRAINTS = {
    "X": ["array-like"],
    "Y": ["array-like"],
    "n_neighbors": [Interval(Integral, 1, None, closed="left")],
    "metric": [StrOptions({"cosine", "euclidean"})],
}
_RSA_CONSTRAINTS = {
    "X": ["array-like"],
    "Y": ["array-like"],
    "metric": [StrOptions({"euclidean", "cosine"})],
    "correlation": [StrOptions({"spearman", "pearson"})],
}
_BLOCK_PAIRS = 2**19


@validate_params(_NEIGHBOR_CONSTRAINTS, prefer_skip_nested_validation=True)
def mutual_knn(
    X: ArrayLike,
    Y: ArrayLike,
    *,
    n_neighbors: int = 10,
    metric: Literal["cosine", "euclidean"] = "cosine",
) -> float:
    r"""Mean share of nearest neighbours that two representations have in common.

    With :math:`N_k^X(i)`, the :math:`k` nearest neighbours of sample :math:`i` in `X`,
    the similarity is [1]_

    .. math::

        \frac{1}{n k} \sum_{i=1}^{n} \bigl| N_k^X(i) \cap N_k^Y(i) \bigr| .

    It depends on the neighbours only: any map that preserves them leaves the similarity
    unchanged. Read more in the :ref:`User Guide <similarities>`.

    Parameters
    ----------
    X, Y : array-like of shape (n_samples, n_features_x) and (n_samples, n_features_y)
        Two representations of the same samples, row by row. Their numbers of features
        may differ.
    n_neighbors : int, default=10
        Number of neighbours; less than the number of samples.
    metric : {"cosine", "euclidean"}, default="cosine"
        Metric of the neighbour search. Cosines are computed from the origin, without
        centring.

    Returns
    -------
    similarity : float
        Between 0 and 1. Its expected value for unrelated representations is
        ``n_neighbors / (n_samples - 1)``.

    Raises
    ------
    ValueError
        If `X` or `Y` is empty or not finite, their numbers of samples differ, or
        `n_neighbors` is not less than the number of samples.

    See Also
    --------
    mutual_knn_samples : Share of each sample.
    retrieval_accuracy : Nearest neighbours of one side among the samples of the other.

    Notes
    -----
    Ties, as between duplicates, are broken as in
    :class:`~sklearn.neighbors.NearestNeighbors`. Memory is bounded by scikit-learn's
    `working_memory`.

    References
    ----------
    .. [1] M. Huh, B. Cheung, T. Wang and P. Isola, "The Platonic representation
       hypothesis", ICML 2024: section 2.

    Examples
    --------
    >>> from skalign.metrics import mutual_knn
    >>> X, Y = [[0], [1], [3], [7]], [[0], [1], [3], [2]]
    >>> mutual_knn(X, Y, n_neighbors=1, metric="euclidean")
    0.5
    """
    return float(
        mutual_knn_samples(X, Y, n_neighbors=n_neighbors, metric=metric).mean()
    )


@validate_params(_NEIGHBOR_CONSTRAINTS, prefer_skip_nested_validation=True)
def mutual_knn_samples(
    X: ArrayLike,
    Y: ArrayLike,
    *,
    n_neighbors: int = 10,
    metric: Literal["cosine", "euclidean"] = "cosine",
) -> np.ndarray:
    r"""Share of nearest neighbours in common, for each sample.

    With :math:`N_k^X(i)`, the :math:`k` nearest neighbours of sample :math:`i` in `X`,
    the similarity of sample :math:`i` is

    .. math::

        \frac{1}{k} \bigl| N_k^X(i) \cap N_k^Y(i) \bigr| .

    Read more in the :ref:`User Guide <similarities>`.

    Parameters
    ----------
    X, Y : array-like of shape (n_samples, n_features_x) and (n_samples, n_features_y)
        Two representations of the same samples, row by row. Their numbers of features
        may differ.
    n_neighbors : int, default=10
        Number of neighbours; less than the number of samples.
    metric : {"cosine", "euclidean"}, default="cosine"
        Metric of the neighbour search, as in `mutual_knn`.

    Returns
    -------
    similarities : ndarray of shape (n_samples,)
        Between 0 and 1. Their mean is `mutual_knn`.

    Raises
    ------
    ValueError
        As in `mutual_knn`.

    Examples
    --------
    >>> from skalign.metrics import mutual_knn_samples
    >>> X, Y = [[0], [1], [3], [7]], [[0], [1], [3], [2]]
    >>> mutual_knn_samples(X, Y, n_neighbors=1, metric="euclidean")
    array([1., 1., 0., 0.])
    """
    neighbors = neighbors_within(X, Y, n_neighbors, metric)
    both = np.sort(np.hstack(neighbors), axis=1)  # common neighbours appear twice
    return np.sum(both[:, 1:] == both[:, :-1], axis=1) / n_neighbors


def neighbors_within(X, Y, n_neighbors, metric):
    """Return the positions of the neighbours within each side, as `mutual_knn`."""
    X, Y = check_paired_rows(X, Y)
    if n_neighbors >= len(X):
        raise ValueError(
            f"n_neighbors={n_neighbors} must be less than n_samples={len(X)}."
        )
    if metric == "cosine":
        X, Y = unit_rows(X), unit_rows(Y)
    return [
        NearestNeighbors(n_neighbors=n_neighbors)
        .fit(near_one(rows - rows.mean(axis=0)))
        .kneighbors(return_distance=False)
        for rows in (near_one(X), near_one(Y))
    ]


@validate_params(_RSA_CONSTRAINTS, prefer_skip_nested_validation=True)
def rsa_correlation(
    X: ArrayLike,
    Y: ArrayLike,
    *,
    metric: Literal["euclidean", "cosine"] = "euclidean",
    correlation: Literal["spearman", "pearson"] = "spearman",
) -> float:
    r"""Correlation of the pairwise distances within two representations.

    Representational similarity analysis [1]_ correlates the distances of all pairs of
    samples,

    .. math::

        \operatorname*{corr}_{i < j} \bigl( d(x_i, x_j), \, d(y_i, y_j) \bigr) .

    Read more in the :ref:`User Guide <similarities>`.

    Parameters
    ----------
    X, Y : array-like of shape (n_samples, n_features_x) and (n_samples, n_features_y)
        Two representations of the same samples, row by row. Their numbers of features
        may differ.
    metric : {"euclidean", "cosine"}, default="euclidean"
        Distance :math:`d`. For "cosine", samples are scaled to unit length; a sample of
        zeros stays as it is.
    correlation : {"spearman", "pearson"}, default="spearman"
        Correlation of the ranks of the distances ("spearman") or of the distances
        ("pearson").

    Returns
    -------
    similarity : float
        Between -1 and 1. It is 0 if all distances of one side are equal.

    Raises
    ------
    ValueError
        If `X` or `Y` is empty or not finite or has fewer than 3 samples, their numbers
        of samples differ, or a matrix of all pairs exceeds scikit-learn's
        `working_memory`.

    See Also
    --------
    rsa_samples : Correlation of each sample.
    cka : Alignment of inner products, computed in blocks.

    References
    ----------
    .. [1] N. Kriegeskorte, M. Mur and P. Bandettini, "Representational similarity
       analysis: connecting the branches of systems neuroscience", Frontiers in Systems
       Neuroscience 2, 2008.

    Examples
    --------
    >>> from skalign.metrics import rsa_correlation
    >>> X, Y = [[0.0], [1.0], [3.0]], [[0.0], [2.0], [5.0]]
    >>> print(f"{rsa_correlation(X, Y):.3f}")
    1.000
    """
    x, y = distances_within(X, Y, metric)
    return float(_correlations(x[None], y[None], correlation)[0])


def distances_within(X, Y, metric):
    """Return the condensed distances within each side, as `rsa_correlation`."""
    X, Y, metric = _check_rsa(X, Y, metric)
    check_pairs_fit(len(X), len(X))
    return pdist(X, metric), pdist(Y, metric)


@validate_params(_RSA_CONSTRAINTS, prefer_skip_nested_validation=True)
def rsa_samples(
    X: ArrayLike,
    Y: ArrayLike,
    *,
    metric: Literal["euclidean", "cosine"] = "euclidean",
    correlation: Literal["spearman", "pearson"] = "spearman",
) -> np.ndarray:
    r"""Correlation of the distances from each sample to all others.

    For each sample :math:`i`, the correlation is

    .. math::

        \operatorname*{corr}_{j \ne i} \bigl( d(x_i, x_j), \, d(y_i, y_j) \bigr) .

    It is low for samples whose position relative to the others differs between the
    representations. Read more in the :ref:`User Guide <similarities>`.

    Parameters
    ----------
    X, Y : array-like of shape (n_samples, n_features_x) and (n_samples, n_features_y)
        Two representations of the same samples, row by row. Their numbers of features
        may differ.
    metric : {"euclidean", "cosine"}, default="euclidean"
        Distance :math:`d`, as in `rsa_correlation`.
    correlation : {"spearman", "pearson"}, default="spearman"
        Correlation of the ranks of the distances ("spearman") or of the distances
        ("pearson").

    Returns
    -------
    similarities : ndarray of shape (n_samples,)
        Between -1 and 1; 0 if all distances from a sample are equal on one side. Their
        mean differs from `rsa_correlation`, which correlates the distances of all pairs
        at once.

    Raises
    ------
    ValueError
        As in `rsa_correlation`, except for memory: distances are computed in blocks.

    See Also
    --------
    rsa_correlation : Correlation of all pairwise distances.
    mutual_knn_samples : Share of common nearest neighbours of each sample.

    Examples
    --------
    >>> from skalign.metrics import rsa_samples
    >>> X = [[0.0], [1.0], [3.0], [7.0]]
    >>> Y = [[0.0], [1.0], [3.0], [-5.0]]  # the last sample differs
    >>> rsa_samples(X, Y)
    array([ 1.,  1.,  1., -1.])
    """
    X, Y, metric = _check_rsa(X, Y, metric)
    n_samples, found = len(X), []
    for rows in gen_batches(n_samples, max(1, _BLOCK_PAIRS // n_samples)):
        others = np.arange(n_samples) != np.arange(rows.start, rows.stop)[:, None]
        x, y = (
            cdist(side[rows], side, metric)[others].reshape(-1, n_samples - 1)
            for side in (X, Y)
        )
        found.append(_correlations(x, y, correlation))
    return np.concatenate(found)


def _check_rsa(X, Y, metric):
    """Return the validated representations and the metric for scipy."""
    X, Y = check_paired_rows(X, Y)
    if len(X) < 3:
        raise ValueError(f"Distances vary only with at least 3 samples; got {len(X)}.")
    if metric == "cosine":
        return unit_rows(X), unit_rows(Y), "sqeuclidean"  # twice the cosine distance
    return X, Y, metric


def _correlations(x, y, correlation):
    """Correlate row by row; 0 if all distances of one side are equal."""
    with np.errstate(over="ignore"):
        check_no_overflow(max(x.max(), y.max()), x.dtype)
    vary = np.ones(len(x), dtype=bool)
    for side in (x, y):
        vary &= np.ptp(side, axis=1) > _EQUAL * side.max(axis=1)
    if correlation == "spearman":
        x, y = rankdata(x, axis=1), rankdata(y, axis=1)
    values = np.zeros(len(x))
    for i in np.flatnonzero(vary):
        a, b = x[i] - x[i].mean(), y[i] - y[i].mean()
        values[i] = cosine_of(a @ b, a @ a, b @ b, x.dtype)
    return values
