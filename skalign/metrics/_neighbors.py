"""Similarities of neighbourhoods: who is near whom on both sides?"""

from numbers import Integral

import numpy as np
from scipy.spatial.distance import cdist, pdist
from scipy.stats import rankdata
from sklearn.neighbors import NearestNeighbors
from sklearn.utils import gen_batches
from sklearn.utils._param_validation import StrOptions, validate_params

from skalign._parameters import Interval
from skalign._rescale import near_one, unit_rows
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
def mutual_knn(X, Y, *, n_neighbors=10, metric="cosine"):
    """Share of nearest neighbours that two representations have in common.

    Sees what is near only: no map that keeps neighbours changes it [1]_. Read more in
    the :ref:`User Guide <similarities>`.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features_x)
        One representation.
    Y : array-like of shape (n_samples, n_features_y)
        Another one of the same rows, of any width.
    n_neighbors : int, default=10
        Number of neighbours; fewer than rows.
    metric : {"cosine", "euclidean"}, default="cosine"
        What near means. Cosine is taken from the origin.

    Returns
    -------
    similarity : float
        From 0 to 1; between unrelated sets ``n_neighbors / (n_samples - 1)``.

    Raises
    ------
    ValueError
        If a set is empty or not finite, the lengths differ, or there are not more rows
        than `n_neighbors`.

    See Also
    --------
    mutual_knn_samples : Row by row.
    retrieval_accuracy : Between the two sides.

    Notes
    -----
    Which of equally near rows are neighbours, as between duplicates, is left to
    scikit-learn. Its working memory holds.

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
def mutual_knn_samples(X, Y, *, n_neighbors=10, metric="cosine"):
    """Share of nearest neighbours that each row has on both sides.

    Read more in the :ref:`User Guide <similarities>`.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features_x)
        One representation.
    Y : array-like of shape (n_samples, n_features_y)
        Another one of the same rows, of any width.
    n_neighbors : int, default=10
        Number of neighbours; fewer than rows.
    metric : {"cosine", "euclidean"}, default="cosine"
        What near means.

    Returns
    -------
    similarities : ndarray of shape (n_samples,)
        From 0 to 1. Their mean is `mutual_knn`.

    Raises
    ------
    ValueError
        As `mutual_knn`.

    Examples
    --------
    >>> from skalign.metrics import mutual_knn_samples
    >>> X, Y = [[0], [1], [3], [7]], [[0], [1], [3], [2]]
    >>> mutual_knn_samples(X, Y, n_neighbors=1, metric="euclidean")
    array([1., 1., 0., 0.])
    """
    X, Y = check_paired_rows(X, Y)
    if n_neighbors >= len(X):
        raise ValueError(
            f"n_neighbors={n_neighbors} must be fewer than the {len(X)} rows."
        )
    if metric == "cosine":
        X, Y = unit_rows(X), unit_rows(Y)
    neighbors = [
        NearestNeighbors(n_neighbors=n_neighbors)
        .fit(near_one(rows - rows.mean(axis=0)))
        .kneighbors(return_distance=False)
        for rows in (near_one(X), near_one(Y))
    ]
    both = np.sort(np.hstack(neighbors), axis=1)  # who is in both stands there twice
    return np.sum(both[:, 1:] == both[:, :-1], axis=1) / n_neighbors


@validate_params(_RSA_CONSTRAINTS, prefer_skip_nested_validation=True)
def rsa_correlation(X, Y, *, metric="euclidean", correlation="spearman"):
    """Correlation of the distances between rows on both sides.

    Representational similarity analysis [1]_. Read more in the
    :ref:`User Guide <similarities>`.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features_x)
        One representation.
    Y : array-like of shape (n_samples, n_features_y)
        Another one of the same rows, of any width.
    metric : {"euclidean", "cosine"}, default="euclidean"
        The distance. For cosine rows are scaled to length one; a row of zeros stays.
    correlation : {"spearman", "pearson"}, default="spearman"
        Of the ranks of the distances, or of these.

    Returns
    -------
    similarity : float
        From -1 to 1. 0 where all distances of one side are equal.

    Raises
    ------
    ValueError
        If a set is empty or not finite, has fewer than 3 rows, the lengths differ, or a
        matrix of all pairs passes scikit-learn's `working_memory`.

    See Also
    --------
    cka : Of inner products, in blocks.

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
    X, Y, metric = _check_rsa(X, Y, metric)
    check_pairs_fit(len(X), len(X))
    x, y = pdist(X, metric), pdist(Y, metric)
    return float(_correlations(x[None], y[None], correlation)[0])


@validate_params(_RSA_CONSTRAINTS, prefer_skip_nested_validation=True)
def rsa_samples(X, Y, *, metric="euclidean", correlation="spearman"):
    """Correlation, for each row, of its distances to the others on both sides.

    Says which rows sit at another place among the others. Read more in the
    :ref:`User Guide <similarities>`.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features_x)
        One representation.
    Y : array-like of shape (n_samples, n_features_y)
        Another one of the same rows, of any width.
    metric : {"euclidean", "cosine"}, default="euclidean"
        The distance, as in `rsa_correlation`.
    correlation : {"spearman", "pearson"}, default="spearman"
        Of the ranks of the distances, or of these.

    Returns
    -------
    similarities : ndarray of shape (n_samples,)
        From -1 to 1; 0 where all distances of a row are equal on one side. Their mean
        is not `rsa_correlation`, which compares the distances of all rows with one
        another.

    Raises
    ------
    ValueError
        As `rsa_correlation`, but for its matrix: distances are held in blocks.

    See Also
    --------
    rsa_correlation : One number of all distances.
    mutual_knn_samples : Of the nearest rows only.

    Examples
    --------
    >>> from skalign.metrics import rsa_samples
    >>> X = [[0.0], [1.0], [3.0], [7.0]]
    >>> Y = [[0.0], [1.0], [3.0], [-5.0]]  # the last one has moved
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
    """Return rows, and the metric that scipy is to take of them."""
    X, Y = check_paired_rows(X, Y)
    if len(X) < 3:
        raise ValueError(f"X and Y have {len(X)} rows: distances need 3 to vary.")
    if metric == "cosine":
        return unit_rows(X), unit_rows(Y), "sqeuclidean"  # twice the cosine's
    return X, Y, metric


def _correlations(x, y, correlation):
    """Correlate line by line; 0 where all distances of one side are equal."""
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
